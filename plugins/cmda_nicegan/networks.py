"""The networks of NICE-GAN (section 3.2): discriminators that encode, and decoders."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from cmda_core.training.networks import SLOPE
from cmda_nicegan.norms import AdaptiveNorm, LayerInstanceNorm

SLICES = 3
STRIDE = 4
"""Pixels of the image per pixel of the encoder's features."""


class Encoder(nn.Module):
    """E: the first layers of a discriminator, whose features the decoders translate.

    Two strided convolutions, and a class-activation map that is added to their features with a learned
    gain (section 3.2, residual attention). The map's own score is C⁰, the first classifier.

    Args:
        channels: Of the first layer.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.layers = nn.Sequential(*_strided(SLICES, channels), *_strided(channels, wide))
        self.attention = nn.Linear(2 * wide, 1, bias=False)
        spectral_norm(self.attention)
        self.merge = nn.Conv2d(2 * wide, wide, 1)
        self.gain = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Encode images and judge them as a whole.

        Args:
            images: ``(N, 3, H, W)``; H and W divide by 4.

        Returns:
            Features ``(N, 2 * channels, H / 4, W / 4)`` and scores ``(N, 1)``.
        """
        plain = self.layers(images)
        pooled = torch.cat([plain.mean(dim=(2, 3)), plain.amax(dim=(2, 3))], dim=1)
        weights = self.attention.weight[0, :, None, None]
        attended = self.merge(torch.cat([plain, plain], dim=1) * weights)
        return functional.leaky_relu(self.gain * attended + plain, SLOPE), self.attention(pooled)


class Discriminator(nn.Module):
    """An encoder and the classifiers C⁰, C¹ and C² of rising receptive field.

    Args:
        channels: Of the first layer.
        local: Strided layers between the encoder and C¹.
        wide: Strided layers between the encoder and C².
    """

    def __init__(self, channels: int, local: int, wide: int) -> None:
        super().__init__()
        widths = [2 * channels * 2**depth for depth in range(wide + 1)]
        layers = [_strided(widths[depth], widths[depth + 1]) for depth in range(wide)]
        self.encoder = Encoder(channels)
        self.near = nn.Sequential(*(part for layer in layers[:local] for part in layer))
        self.far = nn.Sequential(*(part for layer in layers[local:] for part in layer))
        self.local = _classifier(widths[local])
        self.wide = _classifier(widths[wide])

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Features of images ``(N, 3, H, W)``, and the scores of the three classifiers."""
        features, whole = self.encoder(images)
        near = self.near(features)
        return features, [whole, self.local(near), self.wide(self.far(near))]


class Decoder(nn.Module):
    """G: features of an encoder to three slices in [-1, 1] (light version: style from mean features).

    Args:
        channels: Of the last layer; the features have twice as many.
        blocks: Residual blocks.
    """

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        wide = 4 * channels
        self.enter = nn.Sequential(_conv(2 * channels, wide, bias=True), *_activated(wide))
        self.style = nn.Sequential(
            nn.Linear(wide, wide, bias=False), nn.ReLU(), nn.Linear(wide, wide, bias=False), nn.ReLU()
        )
        self.scale = nn.Linear(wide, wide, bias=False)
        self.shift = nn.Linear(wide, wide, bias=False)
        self.blocks = nn.ModuleList([AdaptiveBlock(wide) for _ in range(blocks)])
        self.leave = nn.Sequential(
            *_doubled(wide),
            *_doubled(wide // 2),
            nn.Conv2d(channels, SLICES, 7, padding=3, padding_mode="reflect", bias=False),
            nn.Tanh(),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Images ``(N, 3, H, W)`` of features ``(N, 2 * channels, H / 4, W / 4)``."""
        content = self.enter(features)
        style = self.style(content.mean(dim=(2, 3)))
        scale, shift = self.scale(style), self.shift(style)
        for block in self.blocks:
            content = block(content, scale, shift)
        images: Tensor = self.leave(content)
        return images


class AdaptiveBlock(nn.Module):
    """Two 3x3 convolutions with AdaLIN, added to the input.

    Args:
        channels: Of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = _conv(channels, channels), _conv(channels, channels)
        self.first_norm, self.second_norm = AdaptiveNorm(channels), AdaptiveNorm(channels)

    def forward(self, features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """``(N, C, H, W)`` to the same shape; scale and shift are ``(N, C)``."""
        inner = functional.relu(self.first_norm(self.first(features), scale, shift))
        output: Tensor = features + self.second_norm(self.second(inner), scale, shift)
        return output


def smallest_edge(wide: int) -> int:
    """Pixels along an edge that a `Discriminator` with so many strided layers needs."""
    # C² takes one pixel with each of its two layers, and one must be left.
    return 3 * STRIDE * 2**wide


def _activated(channels: int) -> tuple[nn.Module, nn.Module]:
    return LayerInstanceNorm(channels), nn.ReLU(inplace=True)


def _conv(channels: int, more: int, *, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(channels, more, 3, padding=1, padding_mode="reflect", bias=bias)


def _judging(channels: int, more: int, *, stride: int = 1, bias: bool = True) -> nn.Module:
    return spectral_norm(
        nn.Conv2d(channels, more, 4, stride=stride, padding=1, padding_mode="reflect", bias=bias)
    )


def _strided(channels: int, more: int) -> tuple[nn.Module, nn.Module]:
    return _judging(channels, more, stride=2), nn.LeakyReLU(SLOPE)


def _classifier(channels: int) -> nn.Sequential:
    return nn.Sequential(
        _judging(channels, 2 * channels), nn.LeakyReLU(SLOPE), _judging(2 * channels, 1, bias=False)
    )


def _doubled(channels: int) -> tuple[nn.Module, ...]:
    half = channels // 2
    return (
        _conv(channels, half),
        *_activated(half),
        nn.Conv2d(half, 4 * half, 1),
        nn.PixelShuffle(2),
        *_activated(half),
    )
