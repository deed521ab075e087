"""Building blocks of 2D translation networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from cmda_core.training.config import Norm

SLOPE = 0.2
"""Slope of LeakyReLU for negative inputs (Radford et al. 2016)."""


_NORMS: dict[Norm, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "instance": nn.InstanceNorm2d,
    "none": nn.Identity,
}


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with instance norm, added to the input (Johnson et al. 2016).

    Args:
        channels: Of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect"),
            nn.InstanceNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect"),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(N, C, H, W)`` to the same shape; H and W at least 2."""
        output: Tensor = features + self.body(features)
        return output


class UpsamplingConv2d(nn.Conv2d):
    """Repeats each pixel along both axes, then convolves 3x3 with zeros around.

    Computed as one transposed convolution of the small image: the same sums with 4 multiplications
    instead of 9 per pixel and pair of channels, and without the large image in between.

    Args:
        in_channels: Of the input.
        out_channels: Of the output, which has twice the rows and columns.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # torch's name
        """``(N, in_channels, H, W)`` to ``(N, out_channels, 2 H, 2 W)``."""
        turned = functional.pad(self.weight.flip(2, 3), (1, 1, 1, 1))
        # A pixel and its copies meet two neighbouring weights along each axis.
        rows = turned[:, :, 1:] + turned[:, :, :-1]
        both = rows[..., 1:] + rows[..., :-1]
        return functional.conv_transpose2d(input, both.transpose(0, 1), self.bias, stride=2, padding=1)


class PatchDiscriminator(nn.Module):
    """PatchGAN (Isola et al. 2017): a score for each patch of an image.

    Strided 4x4 convolutions that double the channels up to 8-fold, one without stride, and one to a
    single channel. Three strided layers see patches of 70 pixels.

    Args:
        in_channels: Of the image.
        channels: Of the first layer.
        layers: Strided layers.
        norm: After every layer but the first and the last.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        channels: int = 64,
        layers: int = 3,
        norm: Norm = "instance",
    ) -> None:
        super().__init__()
        widths = [channels * min(2**depth, 8) for depth in range(layers + 1)]
        parts: list[nn.Module] = [nn.Conv2d(in_channels, widths[0], 4, stride=2, padding=1)]
        for depth in range(1, layers + 1):
            stride = 2 if depth < layers else 1
            parts += [
                nn.LeakyReLU(SLOPE),
                nn.Conv2d(widths[depth - 1], widths[depth], 4, stride=stride, padding=1),
                _NORMS[norm](widths[depth]),
            ]
        parts += [nn.LeakyReLU(SLOPE), nn.Conv2d(widths[-1], 1, 4, padding=1)]
        self.body = nn.Sequential(*parts)

    def forward(self, images: Tensor) -> Tensor:
        """Scores ``(N, 1, h, w)`` of images ``(N, in_channels, H, W)``."""
        scores: Tensor = self.body(images)
        return scores


def smallest_patch(layers: int) -> int:
    """Pixels along an edge that a `PatchDiscriminator` of so many strided layers needs."""
    # The two layers without stride take one pixel each, and one must be left.
    return 3 * 2**layers


def init_weights(module: nn.Module, method: Literal["kaiming", "normal"]) -> None:
    """Draw the weights of all convolutions and set their biases to zero.

    Args:
        module: Changed in place.
        method: ``kaiming``: normal, scaled by the fan-in (He et al. 2015). ``normal``: standard
            deviation 0.02 (Radford et al. 2016).
    """
    for part in module.modules():
        if not isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            continue
        if method == "kaiming":
            nn.init.kaiming_normal_(part.weight)
        else:
            nn.init.normal_(part.weight, std=0.02)
        if part.bias is not None:
            nn.init.zeros_(part.bias)


def device_of(module: nn.Module) -> torch.device:
    """Where the weights of a module are."""
    return next(module.parameters()).device
