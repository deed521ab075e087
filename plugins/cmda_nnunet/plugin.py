"""What this plugin offers: the segmenter ``nnunet``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cmda_core.hookspecs import SegmenterOffer, hookimpl
from cmda_core.protocols import Segmenter
from cmda_core.schema import Cohort, Task
from cmda_nnunet.config import NnUnetConfig


def build(config: NnUnetConfig, task: Task) -> Segmenter:
    from cmda_nnunet.segmenter import NnUnetSegmenter

    return NnUnetSegmenter(config, task)


def load(folder: Path) -> Segmenter:
    from cmda_nnunet.segmenter import NnUnetSegmenter

    return NnUnetSegmenter.load(folder)


def check(config: NnUnetConfig, source: Cohort) -> None:
    from cmda_nnunet.folds import subjects_of

    if config.folds != "all":
        subjects_of(source, config.fold_count)


@hookimpl
def offer_segmenters() -> Iterable[SegmenterOffer]:
    return [
        SegmenterOffer(
            name="nnunet",
            summary="nnU-Net v2 (3d_fullres): a U-Net that plans itself from the data.",
            config=NnUnetConfig,
            build=build,
            load=load,
            check=check,
            ignores_voxels=True,
            tiny={
                "folds": "all",
                "epochs": 2,
                "iterations_per_epoch": 2,
                "validation_iterations": 1,
                "base_features": 4,
                "max_features": 8,
                "patch_size": (8, 16, 16),
                "batch_size": 2,
                "augmentation": "light",
                "mirroring": False,
                "channels_last": True,
                "save_every": 1,
            },
            reference="https://doi.org/10.1038/s41592-020-01008-z",
        )
    ]
