"""What this plugin offers: the grader ``msf-koos-net``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cmda_core.hookspecs import GraderOffer, hookimpl
from cmda_core.protocols import Grader, SharedEncoder
from cmda_core.schema import Task
from cmda_koosnet.config import KoosNetConfig


def build(config: KoosNetConfig, task: Task) -> Grader:
    from cmda_koosnet.grader import KoosNetGrader

    return KoosNetGrader(config, task)


def load(folder: Path, encoder: SharedEncoder | None) -> Grader:
    from cmda_koosnet.grader import KoosNetGrader

    return KoosNetGrader.load(folder, encoder)


@hookimpl
def offer_graders() -> Iterable[GraderOffer]:
    return [
        GraderOffer(
            name="msf-koos-net",
            summary="Koos grade from the translator's shared features, pre-trained by contrast.",
            config=KoosNetConfig,
            build=build,
            load=load,
            needs_encoder=True,
            tiny={
                "slices": 8,
                "window": 16,
                "channels": 8,
                "stages": 2,
                "projection_channels": (8, 4),
                "pretrain_epochs": 2,
                "epochs": 2,
                "save_every": 2,
                "log_every": 1,
            },
            reference="https://github.com/fiy2W/cmda2022.superpolymerization",
        )
    ]
