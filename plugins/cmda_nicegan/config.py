"""Settings of NICE-GAN."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from cmda_core.training.config import AdversarialConfig, ScheduleName


class NiceGanConfig(AdversarialConfig):
    """Settings of NICE-GAN; the defaults are those of Chen et al. 2020, light version, on slice triples."""

    epochs: int = Field(default=1400, ge=1)
    """Epochs; in each, one random slice triple of every source case meets one of a target case. With the
    210 source cases of crossMoDA 2022, 1400 are about the 300 000 steps of the authors' code."""

    learning_rate: float = Field(default=1e-4, gt=0)
    """Learning rate of Adam (authors' code)."""

    weight_decay: float = Field(default=1e-4, ge=0)
    """L2 penalty of the weights, in Adam's gradients (authors' code)."""

    schedule: ScheduleName = "linear"
    """``constant``; ``linear``: to zero in the second half (authors' code); ``polynomial``: power 0.9 to a
    twentieth."""

    adversarial_weight: float = Field(default=1.0, ge=0)
    """λ₁ of section 3.3, weight of the adversarial loss, for the discriminators as well as for the decoders
    (1, 10 and 10 as in the authors' code)."""

    cycle_weight: float = Field(default=10.0, ge=0)
    """λ₂ of section 3.3, weight of the cycle loss."""

    reconstruction_weight: float = Field(default=10.0, ge=0)
    """λ₃ of section 3.3, weight of the reconstruction loss: decoded to its own modality, an image shall
    stay as it is."""

    channels: int = Field(default=64, ge=1)
    """Channels of the first layer of the discriminators and of the last of the decoders."""

    residual_blocks: int = Field(default=6, ge=0)
    """Residual blocks of each decoder."""

    local_layers: int = Field(default=1, ge=0, le=6)
    """Layers with stride 2 between the encoder and the local classifier C¹; 1 sees patches of 70 pixels."""

    global_layers: int = Field(default=3, ge=1, le=6)
    """Layers with stride 2 between the encoder and the global classifier C²; 3 see patches of 286 pixels.
    Slices must have at least ``12 · 2^global_layers`` pixels along each edge."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.local_layers >= self.global_layers:
            raise ValueError("local_layers must be less than global_layers: C² sees more than C¹")
        return self
