"""The network, and the padding that it needs."""

from __future__ import annotations

from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import Tensor, nn
from torch.nn import functional

from cmda_unet.config import UnetConfig

SLICES = 3
"""A slice and its two neighbours are the channels of the input."""


def unet(config: UnetConfig, classes: int) -> nn.Module:
    """A U-Net (Ronneberger et al. 2015) with instance norm, ``(N, 3, H, W)`` to ``(N, classes, H, W)``.

    Args:
        config: Channels and levels.
        classes: Background and structures.
    """
    network = PlainConvUNet(
        input_channels=SLICES,
        n_stages=config.levels,
        features_per_stage=[config.channels * 2**level for level in range(config.levels)],
        conv_op=nn.Conv2d,
        kernel_sizes=3,
        strides=[1] + [2] * (config.levels - 1),
        n_conv_per_stage=2,
        num_classes=classes,
        n_conv_per_stage_decoder=2,
        conv_bias=True,
        norm_op=nn.InstanceNorm2d,
        norm_op_kwargs={"affine": True},
        nonlin=nn.LeakyReLU,
    )
    # The class makes a head for every level, for a training with deep supervision; here the last one is used.
    network.decoder.seg_layers = network.decoder.seg_layers[-1:]
    network.apply(PlainConvUNet.initialize)
    return network


def padded(images: Tensor, config: UnetConfig) -> Tensor:
    """Slices ``(N, 3, H, W)`` with their last rows and columns repeated up to a size that can be halved."""
    stride = int(2 ** (config.levels - 1))
    # Twice the stride at least: instance norm needs more than one pixel on the lowest level.
    rows, columns = (max(-(-size // stride), 2) * stride - size for size in images.shape[-2:])
    return functional.pad(images, (0, columns, 0, rows), mode="replicate")
