"""Settings of the segmenter ``unet``."""

from __future__ import annotations

from pydantic import Field

from cmda_core.schema import PluginConfig
from cmda_core.training.config import ScheduleName


class UnetConfig(PluginConfig):
    """A 2.5D U-Net; the defaults are our own, for minutes on a CPU rather than for the best score."""

    epochs: int = Field(default=8, ge=1)
    """Epochs."""

    iterations_per_epoch: int = Field(default=50, ge=1)
    """Optimisation steps per epoch."""

    batch_size: int = Field(default=8, ge=1)
    """Slices per step."""

    learning_rate: float = Field(default=5e-3, gt=0)
    """Learning rate of AdamW."""

    weight_decay: float = Field(default=1e-2, ge=0)
    """Weight decay of AdamW."""

    schedule: ScheduleName = "polynomial"
    """``constant``; ``linear``: to zero in the second half; ``polynomial``: power 0.9 to a twentieth."""

    channels: int = Field(default=16, ge=1)
    """Channels of the first level; doubled from level to level."""

    levels: int = Field(default=4, ge=2, le=7)
    """Resolutions; each halves that of the one before."""

    foreground_oversampling: float = Field(default=0.66, ge=0, le=1)
    """Share of the slices of a batch that must hold a structure, each structure as often as the others."""

    flip: bool = True
    """Mirror training slices left and right at random."""

    rotation_degrees: float = Field(default=10.0, ge=0, le=180)
    """Largest random turn of training slices, in degrees."""

    scaling: float = Field(default=0.1, ge=0, lt=1)
    """Largest random change of size of training slices, as a share."""

    intensity: float = Field(default=0.2, ge=0, lt=1)
    """Largest random change of training intensities: of their gain, as a share, and of their level, in
    standard deviations of the case."""

    noise: float = Field(default=0.1, ge=0)
    """Largest standard deviation of random noise on training slices, in those of the case."""

    inference_batch: int = Field(default=8, ge=1)
    """Slices that are segmented at once; less needs less memory and changes nothing else."""

    save_every: int = Field(default=100, ge=1)
    """Steps between two checkpoints."""

    log_every: int = Field(default=10, ge=1)
    """Steps between two lines of the log."""
