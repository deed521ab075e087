"""An encoder for graders that need one: a convolution with fixed weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class StandInEncoder:
    """A `SharedEncoder` that knows nothing.

    Attributes:
        feature_channels: 4.
        feature_stride: 2.
    """

    feature_channels: int = 4
    feature_stride: int = 2

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self._network = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.LeakyReLU(0.2))
        for parameter in self._network.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) / 3

    @torch.no_grad()
    def encode(self, slices: Tensor) -> Tensor:
        """See `SharedEncoder.encode`."""
        features: Tensor = self._network(slices.to(next(self._network.parameters()).device))
        return features

    def copy_encoder(self) -> nn.Module:
        """See `SharedEncoder.copy_encoder`."""
        return copy.deepcopy(self._network)
