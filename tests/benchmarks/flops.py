"""Counts the arithmetic of networks at the paper's sizes, without doing it, and a core's convolution rate.

python tests/benchmarks/flops.py
"""

from __future__ import annotations

import time

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cmda_core.schema import Task
from cmda_core.training.slices import SliceBatch
from cmda_msfnet.config import MsfNetConfig
from cmda_msfnet.method import MsfNetMethod
from cmda_msfnet.networks import MsfNet
from cmda_msfnet.proxies import ProxyLabels

EDGE, REGIONS = 256, 209
PATCH, BATCH = (48, 224, 192), 2
"""What nnU-Net plans for crops of 80 × 256 × 256 voxels and 8 GB of memory, about."""


def msf_net() -> tuple[float, float]:
    """TFLOP of a training step with one slice of each modality, and of the translation of one slice."""
    config = MsfNetConfig(perceptual="random-vgg", gif_classes=REGIONS)
    labels = ProxyLabels(config, Task(), tuple(range(REGIONS)))
    network = MsfNet(config.channels, config.residual_blocks, labels.classes)
    method = MsfNetMethod(config, network, labels).to("meta")
    images = torch.empty(1, 3, EDGE, EDGE, device="meta")
    known = torch.zeros(1, 3, EDGE, EDGE, dtype=torch.long, device="meta")
    with FlopCounterMode(display=False) as step:
        method.discriminator.requires_grad_(False)
        terms, made = method.generator_losses(
            SliceBatch(images, known, known), SliceBatch(images, None, None)
        )
        torch.stack(list(terms.values())).sum().backward()
        method.discriminator.requires_grad_(True)
        detached = type(made)(*(getattr(made, name).detach() for name in made.__slots__))
        torch.stack(list(method.discriminator_losses(detached).values())).sum().backward()
    with torch.no_grad(), FlopCounterMode(display=False) as translation:
        network.translate(images, to_target=True)
    return step.get_total_flops() / 1e12, translation.get_total_flops() / 1e12


def nnu_net_network() -> nn.Module:
    """The network that nnU-Net plans for such patches."""
    return PlainConvUNet(
        1,
        6,
        (32, 64, 128, 256, 320, 320),
        nn.Conv3d,
        ((1, 3, 3), *((3, 3, 3),) * 5),
        ((1, 1, 1), (1, 2, 2), *((2, 2, 2),) * 4),
        (2,) * 6,
        3,
        (2,) * 5,
        conv_bias=True,
        norm_op=nn.InstanceNorm3d,
        nonlin=nn.LeakyReLU,
    )


def nnu_net() -> tuple[float, float]:
    """TFLOP of a training step, and of one tile of a prediction."""
    network = nnu_net_network().to("meta")
    patch = torch.empty(BATCH, 1, *PATCH, device="meta")
    with FlopCounterMode(display=False) as step:
        network(patch).sum().backward()
    with torch.no_grad(), FlopCounterMode(display=False) as tile:
        network(patch[:1])
    return step.get_total_flops() / 1e12, tile.get_total_flops() / 1e12


def convolution_rate(repeats: int = 20) -> float:
    """GFLOP per CPU second of 3x3 convolutions of 64 channels on one thread; the best of several."""
    torch.set_num_threads(1)
    images, weights = torch.randn(1, 64, 128, 128), torch.randn(64, 64, 3, 3)
    flops, best = 2 * 64 * 64 * 9 * 128 * 128, 0.0
    for _ in range(repeats):
        start = time.process_time()
        torch.conv2d(images, weights, padding=1)
        best = max(best, flops / (time.process_time() - start) / 1e9)
    return best


def main() -> None:
    """Print them."""
    print("| | TFLOP |\n| --- | --- |")
    for name, (step, use) in {"MSF-Net": msf_net(), "nnU-Net": nnu_net()}.items():
        print(f"| {name}, training step | {step:.2f} |")
        print(f"| {name}, {'slice' if name == 'MSF-Net' else 'tile'} | {use:.2f} |")
    print(f"\nconvolutions on one thread: {convolution_rate():.0f} GFLOP/s")


if __name__ == "__main__":
    main()
