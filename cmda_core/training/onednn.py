"""Makes torch compute 3D convolutions on CPUs by oneDNN, at inference."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn


def prefer_onednn(network: nn.Module) -> None:
    """Let oneDNN compute the 3D convolutions of a network wherever it can; results differ by rounding.

    For a single sample and a single thread torch itself chooses an algorithm that takes up to twelve
    times as long, unless the image is large.

    Args:
        network: Its layers' ``forward`` is replaced. On other devices, in other precisions and where
            gradients are asked for it does as before.
    """
    if not torch.backends.mkldnn.is_available():
        return
    for layer in network.modules():
        if type(layer) is nn.Conv3d and layer.padding_mode == "zeros" and not isinstance(layer.padding, str):
            forward = partial(_forward, layer, layer.padding)
            layer.forward = forward  # type: ignore[method-assign]


def _forward(layer: nn.Conv3d, padding: tuple[int, ...], features: Tensor) -> Tensor:
    plain = features.device.type == "cpu" and features.dtype == layer.weight.dtype == torch.float32
    if not plain or torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"):
        return nn.Conv3d.forward(layer, features)
    output: Tensor = torch.mkldnn_convolution(
        features,
        layer.weight,
        layer.bias,
        padding,
        layer.stride,
        layer.dilation,
        layer.groups,
    )
    return output
