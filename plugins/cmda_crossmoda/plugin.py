"""What this plugin offers. SimpleITK is imported where it is used."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cmda_core.hookspecs import PreprocessorOffer, hookimpl
from cmda_core.protocols import Preprocessor
from cmda_core.schema import Task
from cmda_crossmoda.config import CrossmodaConfig


def build(config: CrossmodaConfig, task: Task) -> Preprocessor:
    from cmda_crossmoda.preprocessor import CrossmodaPreprocessor

    return CrossmodaPreprocessor(config, task)


def load(folder: Path) -> Preprocessor:
    from cmda_crossmoda.storage import load_preprocessor

    return load_preprocessor(folder)


def region_mm(config: CrossmodaConfig) -> tuple[float, float, float]:
    i, j, k = (edge * count for edge, count in zip(config.spacing_mm, config.shape, strict=True))
    return i, j, k


OFFER = PreprocessorOffer(
    name="crossmoda",
    summary="Histogram matching, affine registration to one atlas, a fixed region around the tumours.",
    config=CrossmodaConfig,
    reference="https://doi.org/10.1007/978-3-031-44153-0_5",
    build=build,
    load=load,
    region_mm=region_mm,
    tiny={
        "spacing_mm": (2.0, 2.0, 3.0),
        "shape": (56, 40, 20),
        "registration": {"finest_mm": 8.0, "iterations": 40},
    },
)


@hookimpl
def offer_preprocessors() -> Iterable[PreprocessorOffer]:
    return (OFFER,)
