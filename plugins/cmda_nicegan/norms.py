"""Layer-instance normalisation (Kim et al. 2020), with shares that sum to one as in NICE-GAN's code."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_MORE, _LESS = 3.2, 1.0
"""Logits at the start: shares of 0.9 and 0.1."""


class LayerInstanceNorm(nn.Module):
    """ILN: mostly layer norm at the start, with a scale and a shift for each channel.

    Args:
        channels: Of the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shares = _shares(channels, instance=_LESS, layer=_MORE)
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """``(N, C, H, W)`` to the same shape."""
        return _mixed(features, self.shares) * self.scale + self.shift


class AdaptiveNorm(nn.Module):
    """AdaLIN: mostly instance norm at the start; scale and shift come from the image.

    Args:
        channels: Of the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shares = _shares(channels, instance=_MORE, layer=_LESS)

    def forward(self, features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """``(N, C, H, W)`` to the same shape; scale and shift are ``(N, C)``."""
        return _mixed(features, self.shares) * scale[..., None, None] + shift[..., None, None]


def _shares(channels: int, *, instance: float, layer: float) -> nn.Parameter:
    return nn.Parameter(torch.tensor([[instance], [layer]]).repeat(1, channels))


def _mixed(features: Tensor, shares: Tensor) -> Tensor:
    instance, layer = shares.softmax(dim=0)[..., None, None]
    return instance * functional.instance_norm(features) + layer * functional.group_norm(features, 1)
