"""The networks of MSF-Net (Fig. 2)."""

from __future__ import annotations

from torch import Tensor, nn

from cmda_core.training.config import Norm
from cmda_core.training.networks import (
    SLOPE,
    PatchDiscriminator,
    ResidualBlock,
    UpsamplingConv2d,
    init_weights,
)

STRIDE = 4
"""Pixels of the image per pixel of the features."""

SLICES = 3


class Encoder(nn.Sequential):
    """E: three slices ``(N, 3, H, W)`` to features ``(N, 4 * channels, H / 4, W / 4)``.

    Args:
        channels: Of the first layer.
        blocks: Residual blocks.
    """

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__(
            nn.Conv2d(SLICES, channels, 7, padding=3, padding_mode="reflect"),
            *_activated(channels),
            nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1),
            *_activated(2 * channels),
            nn.Conv2d(2 * channels, 4 * channels, 3, stride=2, padding=1),
            *_activated(4 * channels),
            *(ResidualBlock(4 * channels) for _ in range(blocks)),
        )


class ImageDecoder(nn.Sequential):
    """G_T1 or G_T2: features to three slices in [-1, 1].

    Args:
        channels: Of the encoder's first layer.
        blocks: Residual blocks.
    """

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__(
            *(ResidualBlock(4 * channels) for _ in range(blocks)),
            nn.ConvTranspose2d(4 * channels, 2 * channels, 4, stride=2, padding=1),
            *_activated(2 * channels),
            nn.ConvTranspose2d(2 * channels, channels, 4, stride=2, padding=1),
            *_activated(channels),
            nn.Conv2d(channels, SLICES, 7, padding=3, padding_mode="reflect"),
            nn.Tanh(),
        )


class LabelDecoder(nn.Sequential):
    """G_vs or G_gif: features to a score per class for the middle slice, ``(N, classes, H, W)``.

    Args:
        channels: Of the encoder's first layer.
        blocks: Residual blocks.
        classes: With background.
    """

    def __init__(self, channels: int, blocks: int, classes: int) -> None:
        super().__init__(
            *(ResidualBlock(4 * channels) for _ in range(blocks)),
            UpsamplingConv2d(4 * channels, 2 * channels),
            *_activated(2 * channels),
            UpsamplingConv2d(2 * channels, channels),
            *_activated(channels),
            nn.Conv2d(channels, classes, 1),
        )


class MsfNet(nn.Module):
    """Encoder, image decoders and the label decoders of the proxy tasks.

    Attributes:
        encoder: E, for both modalities.
        to_source: Decodes features to the source modality, G_T1.
        to_target: Decodes features to the target modality, G_T2.
        proxies: Decoder of each proxy task by name.

    Args:
        channels: Of the encoder's first layer.
        blocks: Residual blocks in the encoder and in each decoder.
        classes: Of each proxy task by name, with background.
    """

    def __init__(self, channels: int, blocks: int, classes: dict[str, int]) -> None:
        super().__init__()
        self.encoder = Encoder(channels, blocks)
        self.to_source = ImageDecoder(channels, blocks)
        self.to_target = ImageDecoder(channels, blocks)
        self.proxies = nn.ModuleDict(
            {name: LabelDecoder(channels, blocks, count) for name, count in classes.items()}
        )
        init_weights(self, "kaiming")

    def translate(self, slices: Tensor, *, to_target: bool) -> Tensor:
        """Slice triples ``(N, 3, H, W)`` rendered as the target or as the source modality."""
        decoder = self.to_target if to_target else self.to_source
        images: Tensor = decoder(self.encoder(slices))
        return images


class Discriminators(nn.Module):
    """D_T1 and D_T2.

    Args:
        channels: Of the first layer.
        layers: Layers with stride 2.
        norm: After every layer but the first and the last.
    """

    def __init__(self, channels: int, layers: int, norm: Norm = "batch") -> None:
        super().__init__()
        self.source = PatchDiscriminator(channels=channels, layers=layers, norm=norm)
        self.target = PatchDiscriminator(channels=channels, layers=layers, norm=norm)
        init_weights(self, "kaiming")

    def forward(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of images of the source and of the target modality."""
        return self.source(source), self.target(target)


def _activated(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.InstanceNorm2d(channels), nn.LeakyReLU(SLOPE)
