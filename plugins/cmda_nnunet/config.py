"""Settings of the segmenter ``nnunet``. Defaults are nnU-Net's own, which the paper used."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from cmda_core.schema import PluginConfig


class NnUnetConfig(PluginConfig):
    """nnU-Net v2, configuration ``3d_fullres``, as its authors ship it."""

    folds: tuple[int, ...] | Literal["all"] = (0, 1, 2, 3, 4)
    """Folds of the cross-validation to train, 0 to ``fold_count - 1``; ``all`` trains one network on all
    cases. Inference averages the logits of the networks."""

    fold_count: int = Field(default=5, ge=2)
    """Parts that the subjects are split into (nnU-Net: 5)."""

    epochs: int = Field(default=1000, gt=0)
    """Epochs per fold."""

    iterations_per_epoch: int = Field(default=250, gt=0)
    """Optimisation steps per epoch."""

    validation_iterations: int = Field(default=50, ge=0)
    """Batches per epoch for validation loss and pseudo-Dice; 0 switches them off."""

    optimiser: Literal["sgd", "adamw"] = "sgd"
    """``sgd``: Nesterov momentum 0.99, nnU-Net's own. ``adamw`` learns small structures in few iterations."""

    learning_rate: float = Field(default=1e-2, gt=0)
    """Initial learning rate; decays to 0 as a polynomial of power 0.9 over the epochs."""

    weight_decay: float = Field(default=3e-5, ge=0)
    """Weight decay of the optimiser."""

    foreground_oversampling: float = Field(default=0.33, ge=0, le=1)
    """Share of the patches of a batch that must hold a structure."""

    augmentation: Literal["default", "light"] = "default"
    """``light`` leaves out noise, blur and low resolution; rotation, scaling, brightness, contrast and
    gamma stay."""

    augmentation_workers: int = Field(default=0, ge=0)
    """Processes that cut and augment patches ahead of the training; 0 does it in between. The patches
    are the same for any number."""

    mirroring: bool | Literal["left-right"] = True
    """Mirror along all axes (nnU-Net's own), or left and right alone, in training and at test time."""

    deep_supervision: bool = True
    """Loss at all resolutions of the decoder."""

    batch_dice: bool = False
    """Dice loss over the batch rather than per patch (nnU-Net plans False for crops of the paper's size)."""

    base_features: int = Field(default=32, gt=0)
    """Channels of the first stage; doubled from stage to stage."""

    max_features: int = Field(default=320, gt=0)
    """Upper limit of the channels."""

    patch_size: tuple[int, int, int] | None = None
    """Voxels of a patch along K, J and I, rounded up to what the poolings divide; empty: nnU-Net plans it."""

    batch_size: int | None = Field(default=None, gt=0)
    """Patches per step; empty: nnU-Net plans it."""

    gpu_memory_gb: float = Field(default=8.0, gt=0)
    """GPU memory in GB that nnU-Net plans the patch and the batch for."""

    channels_last: bool = False
    """Channels-last memory layout: faster on the CPU."""

    compile: bool = True
    """``torch.compile`` on CUDA devices, as nnU-Net does."""

    save_every: int = Field(default=1, gt=0)
    """Epochs between two checkpoints: as many are lost at worst when a training is killed (nnU-Net: 50)."""

    tile_step: float = Field(default=0.5, gt=0, le=1)
    """Step of the sliding window at inference, as a share of the patch."""

    keep_one_tumour: bool = True
    """Keep only the largest 26-connected tumour component at about the height of the cochleae (the
    paper's authors)."""

    height_tolerance_mm: float = Field(default=5.0, ge=0)
    """How far above or below the cochleae a tumour component may end, in mm (own choice: the authors
    do not say)."""

    cochlea_reach_mm: float | None = Field(default=None, gt=0)
    """How far from a cochlea the tumour component may begin, in mm: a schwannoma grows out of the canal that
    ends there. Empty: its height alone counts, as with the paper's authors."""

    keep_two_cochleae: bool = True
    """Keep only the two largest components of a structure named ``cochlea``."""

    @field_validator("folds")
    @classmethod
    def _some_folds(cls, value: tuple[int, ...] | str) -> tuple[int, ...] | str:
        if not value or (isinstance(value, tuple) and (len(set(value)) < len(value) or min(value) < 0)):
            raise ValueError("folds must be 'all' or different numbers from 0")
        return value

    @property
    def mirrored_axes(self) -> tuple[int, ...]:
        """Axes that are mirrored, of nnU-Net's arrays (slices, rows, columns)."""
        if self.mirroring == "left-right":
            return (2,)
        return (0, 1, 2) if self.mirroring else ()
