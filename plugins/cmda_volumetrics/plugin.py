"""What this plugin offers: the grader ``volumetrics``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cmda_core.hookspecs import GraderOffer, hookimpl
from cmda_core.protocols import Grader, SharedEncoder
from cmda_core.schema import Task
from cmda_volumetrics.config import VolumetricsConfig


def build(config: VolumetricsConfig, task: Task) -> Grader:
    from cmda_volumetrics.grader import VolumetricsGrader

    return VolumetricsGrader(config, task)


def load(folder: Path, encoder: SharedEncoder | None) -> Grader:  # noqa: ARG001  # works without one
    from cmda_volumetrics.grader import VolumetricsGrader

    return VolumetricsGrader.load(folder)


@hookimpl
def offer_graders() -> Iterable[GraderOffer]:
    return [
        GraderOffer(
            name="volumetrics",
            summary="Koos grade by ordinal regression on the mask alone: the tumour's size, shape and place.",
            config=VolumetricsConfig,
            build=build,
            load=load,
            tiny={"folds": 2},
            reference="https://doi.org/10.1007/3-540-44795-4_13",
        )
    ]
