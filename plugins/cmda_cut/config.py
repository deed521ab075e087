"""Settings of CUT."""

from __future__ import annotations

from pydantic import Field

from cmda_core.training.config import AdversarialConfig, ScheduleName


class CutConfig(AdversarialConfig):
    """Settings of CUT; the defaults are those of Park et al. 2020, on slice triples.

    FastCUT, the paper's lighter variant, is ``epochs: 200``, ``contrastive_weight: 10``,
    ``identity_weight: 0`` and ``flip_equivariance: true``.
    """

    epochs: int = Field(default=400, ge=1)
    """Epochs (section 4; 200 for FastCUT); in each, one random slice triple of every source case meets
    one of a target case."""

    schedule: ScheduleName = "linear"
    """``constant``; ``linear``: to zero in the second half; ``polynomial``: power 0.9 to a twentieth."""

    contrastive_weight: float = Field(default=1.0, ge=0)
    """λ_X, weight of PatchNCE between an image and its translation (section 3; 10 for FastCUT). The
    authors' code halves λ_X and λ_Y where both are set."""

    identity_weight: float = Field(default=1.0, ge=0)
    """λ_Y, weight of PatchNCE between an image of the wanted modality and what the generator makes of it
    (section 3; 0 for FastCUT)."""

    temperature: float = Field(default=0.07, gt=0)
    """τ of PatchNCE (section 3)."""

    patches: int = Field(default=256, ge=2)
    """Places per image and layer that are told apart (section 4); all, where a layer has fewer."""

    head_channels: int = Field(default=256, ge=1)
    """Channels of the two-layer perceptrons that features go through (section 4)."""

    flip_equivariance: bool = False
    """Translate half of the images mirrored, and mirror the features back before they are compared
    (FastCUT, section 4)."""

    channels: int = Field(default=64, ge=1)
    """Channels of the first layer of generators and discriminators."""

    residual_blocks: int = Field(default=9, ge=1)
    """Residual blocks of each generator; the first half belongs to the encoder that PatchNCE looks into."""

    discriminator_layers: int = Field(default=3, ge=1, le=8)
    """Layers with stride 2 in each discriminator; 3 see patches of 70 pixels."""
