"""Settings that training methods share; torch is not imported here, so that plugins list quickly."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cmda_core.schema import PluginConfig

Difference = Literal["l1", "smooth-l1"]
"""How two images are compared pixel by pixel."""

Norm = Literal["batch", "instance", "none"]
"""What normalises the features of a discriminator."""

ScheduleName = Literal["constant", "linear", "polynomial"]
"""``constant``; ``linear``: constant in the first half, then linearly to zero (Zhu et al. 2017);
``polynomial``: with power 0.9 to a twentieth, 2e-4 to 1e-5 (code of the MSF-Net authors)."""

PerceptualChoice = Literal["vgg19", "random-vgg", "off"]
"""``vgg19``: trained on ImageNet. ``random-vgg``: the same network with fixed random weights, for
machines without the trained ones; not the published loss. ``off``: no perceptual loss."""


class AdversarialConfig(PluginConfig):
    """Settings that adversarial translators share."""

    epochs: int = Field(default=200, ge=1)
    """Epochs; in each, one random slice triple of every source case meets one of a target case."""

    batch_size: int = Field(default=1, ge=1)
    """Slice triples of each modality per step."""

    learning_rate: float = Field(default=2e-4, gt=0)
    """Learning rate of Adam."""

    betas: tuple[float, float] = (0.5, 0.999)
    """Decay rates of Adam's moments."""

    weight_decay: float = Field(default=0.0, ge=0)
    """L2 penalty of the weights, in Adam's gradients."""

    schedule: ScheduleName = "constant"
    """``constant``; ``linear``: to zero in the second half; ``polynomial``: power 0.9 to a twentieth."""

    patch: tuple[int, int] | None = None
    """Rows and columns in pixels of a random window of each slice; empty: whole slices."""

    flip: bool = False
    """Mirror training slices left and right at random."""

    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay per step of an exponential moving average of the weights that translate; 0: none."""

    winograd: bool = True
    """On CPUs, compute 3x3 convolutions of many channels by Winograd's algorithm: the same up to rounding
    in much less time."""

    channels_last: bool = False
    """Keep the channels of a pixel side by side in memory: faster on GPUs with tensor cores, slower on
    CPUs."""

    compile: bool = False
    """Compile the networks with ``torch.compile``: faster on GPUs after minutes of waiting; gains nothing
    on CPUs."""

    checkpointing: bool = False
    """Compute the generator's activations again on the way back instead of keeping them: about a third
    of the time more for half the memory or less."""

    inference_batch: int = Field(default=8, ge=1)
    """Slices that are translated at once; less needs less memory and changes nothing else."""

    save_every: int = Field(default=500, ge=1)
    """Steps between two checkpoints; some 50 of them at most come with a sample picture."""

    log_every: int = Field(default=20, ge=1)
    """Steps between two lines of the log."""
