"""What this plugin offers: the segmenter ``unet``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cmda_core.hookspecs import SegmenterOffer, hookimpl
from cmda_core.protocols import Segmenter
from cmda_core.schema import Task
from cmda_unet.config import UnetConfig


def build(config: UnetConfig, task: Task) -> Segmenter:
    from cmda_unet.segmenter import UnetSegmenter

    return UnetSegmenter(config, task)


def load(folder: Path) -> Segmenter:
    from cmda_unet.segmenter import UnetSegmenter

    return UnetSegmenter.load(folder)


@hookimpl
def offer_segmenters() -> Iterable[SegmenterOffer]:
    return [
        SegmenterOffer(
            name="unet",
            summary="A small 2.5D U-Net on whole slices, for quick comparisons and teaching.",
            config=UnetConfig,
            build=build,
            load=load,
            tiny={
                "epochs": 2,
                "iterations_per_epoch": 3,
                "batch_size": 2,
                "channels": 4,
                "levels": 3,
                "save_every": 2,
                "log_every": 1,
            },
            reference="https://doi.org/10.1007/978-3-319-24574-4_28",
        )
    ]
