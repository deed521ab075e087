"""The networks of CUT (section 4): a generator that shows its features, and perceptrons for them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from cmda_core.training.networks import ResidualBlock

SLICES = 3
STRIDE = 4


class Generator(nn.Module):
    """CycleGAN's residual generator, with anti-aliased resampling (Zhang 2019) as in the authors' code.

    The five maps of features see 1, 9, 15, 35 and 99 pixels if there are nine residual blocks.

    Attributes:
        widths: Channels of what ``features`` returns.
        encoder: Parts between two maps of features.
        decoder: From the last features to an image.

    Args:
        channels: Of the first layer.
        blocks: Residual blocks; the first half of them, rounded up, belongs to the encoder.
    """

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        middle = (blocks + 1) // 2
        wide = 4 * channels
        parts = [
            nn.Sequential(
                nn.Conv2d(SLICES, channels, 7, padding=3, padding_mode="reflect"),
                *_activated(channels),
                nn.Conv2d(channels, 2 * channels, 3, padding=1),
            ),
            nn.Sequential(*_activated(2 * channels), *_halved(), nn.Conv2d(2 * channels, wide, 3, padding=1)),
            nn.Sequential(*_activated(wide), *_halved(), ResidualBlock(wide)),
        ]
        if middle > 1:
            parts.append(nn.Sequential(*(ResidualBlock(wide) for _ in range(middle - 1))))
        self.widths = (SLICES, 2 * channels, wide, wide, wide)[: len(parts) + 1]
        self.encoder = nn.ModuleList(parts)
        self.decoder = nn.Sequential(
            *(ResidualBlock(wide) for _ in range(blocks - middle)),
            *(part for pair in pairwise((wide, 2 * channels, channels)) for part in _doubled(*pair)),
            nn.Conv2d(channels, SLICES, 7, padding=3, padding_mode="reflect"),
            nn.Tanh(),
        )

    def features(self, images: Tensor) -> list[Tensor]:
        """The image itself, the two downsampling convolutions, the first and the middle residual block.

        Args:
            images: ``(N, 3, H, W)``; H and W divide by 4.
        """
        found = [images]
        for part in self.encoder:
            found.append(part(found[-1]))
        return found

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(N, 3, H, W)`` rendered in [-1, 1]; H and W divide by 4."""
        made: Tensor = self.decoder(self.features(images)[-1])
        return made


class Heads(nn.ModuleList):
    """H_l, a perceptron of two layers for each map of features.

    Made with the generator, so that its optimiser and the checkpoints have them from the first step.

    Args:
        widths: Channels of each map.
        channels: Of the hidden layer and of the result.
    """

    def __init__(self, widths: Sequence[int], channels: int) -> None:
        super().__init__(
            nn.Sequential(nn.Linear(width, channels), nn.ReLU(), nn.Linear(channels, channels))
            for width in widths
        )
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.normal_(part.weight, std=0.02)  # authors' code
                nn.init.zeros_(part.bias)


class OneWay(nn.Module):
    """What is trained against one discriminator.

    Args:
        channels: Of the generator's first layer.
        blocks: Residual blocks.
        head_channels: Of the perceptrons.
    """

    def __init__(self, channels: int, blocks: int, head_channels: int) -> None:
        super().__init__()
        self.generator = Generator(channels, blocks)
        self.heads = Heads(self.generator.widths, head_channels)


def _activated(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.InstanceNorm2d(channels), nn.ReLU(inplace=True)


def _halved() -> tuple[nn.Module, ...]:
    # Two means of two neighbours are the binomial filter [1, 2, 1].
    return nn.ReflectionPad2d(1), nn.AvgPool2d(2, stride=1), nn.AvgPool2d(2, stride=2)


def _doubled(channels: int, fewer: int) -> tuple[nn.Module, ...]:
    enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
    return enlarge, nn.Conv2d(channels, fewer, 3, padding=1), *_activated(fewer)
