"""Settings of CycleGAN."""

from __future__ import annotations

from pydantic import Field

from cmda_core.training.config import AdversarialConfig, ScheduleName


class CycleGanConfig(AdversarialConfig):
    """Settings of CycleGAN; the defaults are those of Zhu et al. 2017, on slice triples."""

    schedule: ScheduleName = "linear"
    """``constant``; ``linear``: to zero in the second half; ``polynomial``: power 0.9 to a twentieth."""

    cycle_weight: float = Field(default=10.0, ge=0)
    """λ, weight of the cycle loss."""

    identity_weight: float = Field(default=0.5, ge=0)
    """Weight of the identity loss as a share of λ."""

    pool_size: int = Field(default=50, ge=0)
    """Earlier fakes of each modality that are kept for the discriminators."""

    channels: int = Field(default=64, ge=1)
    """Channels of the first layer of generators and discriminators."""

    residual_blocks: int = Field(default=9, ge=0)
    """Residual blocks of each generator."""

    discriminator_layers: int = Field(default=3, ge=1, le=8)
    """Layers with stride 2 in each discriminator; 3 see patches of 70 pixels."""
