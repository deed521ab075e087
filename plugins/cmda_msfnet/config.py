"""Settings of MSF-Net."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from cmda_core.training.config import AdversarialConfig, Difference, Norm, PerceptualChoice

Proxy = Literal["vs", "gif"]
"""``vs``: the structures of the task. ``gif``: the regions of the parcellation."""


class MsfNetConfig(AdversarialConfig):
    """Settings of MSF-Net; the defaults are the paper's (section 3.2 and 4.1)."""

    epochs: int = Field(default=1000, ge=1)
    """Epochs; in each, one random slice triple of every source case meets one of a target case."""

    proxies: tuple[Proxy, ...] = ("vs", "gif")
    """Proxy tasks on the source modality (eq. 4). The paper's ablations: ``[vs]`` is "without GIF",
    ``[]`` "without VS and GIF"."""

    proxy_on_cycled: bool = False
    """Supervise the proxy tasks on the features that the cycled source image is decoded from as well
    (authors' code)."""

    gif_classes: int | None = Field(default=None, ge=2, le=256)
    """Classes of the parcellation with background, at least as many as the data hold (209 for GIF);
    empty: as many as the source cohort has."""

    reconstruction: Difference = "l1"
    """Pixel loss of reconstruction and cycle: ``l1`` (paper) or ``smooth-l1`` (authors' code)."""

    reconstruction_weight: float = Field(default=10.0, ge=0)
    """λ_r of eq. 1."""

    perceptual: PerceptualChoice = "vgg19"
    """Perceptual loss of eq. 1: ``vgg19``, ``random-vgg`` (not published, for machines without the
    weights) or ``off``."""

    perceptual_weight: float = Field(default=0.01, ge=0)
    """λ_p of eq. 1."""

    perceptual_pooling: Literal["max", "average"] = "max"
    """Pooling in VGG19: ``max`` as it was trained (paper), ``average`` (authors' code)."""

    vgg_weights: Path | None = None
    """File with torchvision's VGG19 weights; empty: torchvision's cache. Never downloaded."""

    cycle_weight: float = Field(default=10.0, ge=0)
    """Weight of eq. 3; the paper gives none, 10 as in the authors' code."""

    channels: int = Field(default=64, ge=1)
    """Channels of the encoder's first layer; its features have four times as many."""

    residual_blocks: int = Field(default=6, ge=0)
    """Residual blocks in the encoder and in each decoder."""

    discriminator_channels: int = Field(default=64, ge=1)
    """Channels of the discriminators' first layer."""

    discriminator_layers: int = Field(default=6, ge=1, le=8)
    """Layers with stride 2 in each discriminator."""

    discriminator_norm: Norm = "batch"
    """Normalisation in the discriminators. Real and fake images are normalised apart, which hides
    differences of brightness; ``none`` learns the contrast in far fewer steps."""

    discriminator_crop: int | None = Field(default=224, ge=8)
    """Edge in pixels of the random window that discriminators see (authors' code); empty: all."""

    @field_validator("perceptual", mode="before")
    @classmethod
    def _yaml_off(cls, value: object) -> object:
        return "off" if value is False else value  # YAML reads a bare off as false

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.proxies)) < len(self.proxies):
            raise ValueError("proxies names a task twice")
        smallest = 3 * 2**self.discriminator_layers
        if self.discriminator_crop is not None and self.discriminator_crop < smallest:
            raise ValueError(
                f"discriminator_crop must be at least {smallest} pixels for "
                f"{self.discriminator_layers} discriminator_layers"
            )
        return self
