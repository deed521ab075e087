"""nnU-Net's trainer, driven by the settings: its loss, steps and augmentations are left as they are."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from cmda_nnunet.config import NnUnetConfig
from cmda_nnunet.dataset import CONFIGURATION, PreprocessedCases

_EXPENSIVE = (GaussianNoiseTransform, GaussianBlurTransform, SimulateLowResolutionTransform)

Fold = int | str
Split = tuple[list[str], list[str]]


class Trainer(nnUNetTrainer):
    """nnU-Net's trainer without its shell commands, pictures, worker pools and pickles.

    Made by `make_trainer`: nnU-Net inspects the arguments of ``__init__``, so they stay nnU-Net's.
    """

    config: NnUnetConfig
    split: Split

    def configure_optimizers(self) -> tuple[Any, Any]:
        """The optimiser of the settings, with nnU-Net's polynomial learning rate."""
        if self.config.optimiser == "sgd":
            sgd: tuple[Any, Any] = super().configure_optimizers()
            return sgd
        optimiser = torch.optim.AdamW(
            self.network.parameters(), self.initial_lr, weight_decay=self.weight_decay
        )
        return optimiser, PolyLRScheduler(optimiser, self.initial_lr, self.num_epochs)

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self) -> tuple[Any, ...]:  # noqa: N802
        """nnU-Net's choice, but for the axes that the settings mirror."""
        rotation, flat, patch, _ = super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        axes = self.inference_allowed_mirroring_axes = self.config.mirrored_axes or None
        return rotation, flat, patch, axes

    def get_training_transforms(self, *args: Any, **options: Any) -> Any:  # nnU-Net's many arguments
        """nnU-Net's augmentations, thinned out where the settings say so."""
        composed = nnUNetTrainer.get_training_transforms(*args, **options)
        composed.transforms = [step for step in composed.transforms if not self._left_out(step)]
        for step in composed.transforms:
            if isinstance(getattr(step, "transform", None), GaussianBlurTransform):
                # It would choose between two algorithms by their speed: other digits in every run.
                step.transform.benchmark = False
        return composed

    def get_tr_and_val_datasets(self) -> tuple[PreprocessedCases, PreprocessedCases]:
        """The cases of the split."""
        folder = Path(self.preprocessed_dataset_folder)
        training, validation = self.split
        manager = self.label_manager
        annotated = (-1, *map(int, manager.all_labels)) if manager.has_ignore_label else ()
        return (
            PreprocessedCases(folder, training, annotated),
            PreprocessedCases(folder, validation, annotated),
        )

    def print_to_log_file(self, *args: Any, **_options: Any) -> None:
        """Print; stdout is the log file by now."""
        print(*args)  # noqa: T201

    def _do_i_compile(self) -> bool:
        return self.config.compile and self.device.type == "cuda"

    def _left_out(self, step: Any) -> bool:
        return (
            self.config.augmentation == "light"
            and isinstance(step, RandomTransform)
            and isinstance(step.transform, _EXPENSIVE)
        )


def make_trainer(
    config: NnUnetConfig,
    plans: Mapping[str, Any],
    description: Mapping[str, Any],
    fold: Fold,
    split: Split,
    device: torch.device,
) -> Trainer:
    """A trainer with a fresh network, drawn from torch's global generator."""
    trainer = Trainer(
        copy.deepcopy({**plans, "continue_training": False}), CONFIGURATION, fold, dict(description), device
    )
    trainer.config = config
    trainer.split = split
    trainer.initial_lr = config.learning_rate
    trainer.weight_decay = config.weight_decay
    trainer.num_epochs = config.epochs
    trainer.oversample_foreground_percent = config.foreground_oversampling
    trainer.enable_deep_supervision = config.deep_supervision
    trainer.initialize()
    if config.channels_last:
        trainer.network.to(memory_format=torch.channels_last_3d)
    return trainer
