"""3x3 convolutions with a quarter of the multiplications, for CPUs.

Winograd's minimal filtering F(4x4, 3x3), from Lavin and Gray 2016, "Fast algorithms for convolutional
neural networks": tiles of 6x6 pixels and the filters are transformed, multiplied channel by channel in the
transformed domain, and transformed back to 4x4 pixels. The same sums as a convolution in another order;
in float32 results differ by about 1e-5 of the largest value. GPU libraries choose such algorithms by
themselves; oneDNN, which torch uses on CPUs, does not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

_STEP, _TILE = 4, 6

_FEWEST_CHANNELS = 128
"""With fewer channels the transforms cost more than the multiplications that they save."""

_FEWEST_PIXELS = 512
"""In a batch. With fewer the same holds of the filters' transforms: 128 pixels of 512 channels took three
times as long as without."""

_FROM_TILE = torch.tensor(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    dtype=torch.float64,
)
_FROM_FILTER = torch.tensor(
    [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], dtype=torch.float64
).div(24)
_TO_PIXELS = torch.tensor(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
    dtype=torch.float64,
)
# Along rows and columns at once: (36, 36), (36, 9) and (16, 36).
_TILES, _FILTERS, _PIXELS = (torch.kron(one, one) for one in (_FROM_TILE, _FROM_FILTER, _TO_PIXELS))


def suits(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a layer is a 3x3 convolution that is quicker this way."""
    return (
        type(layer) is nn.Conv2d
        and layer.kernel_size == (3, 3)
        and layer.padding == (1, 1)
        and layer.stride == layer.dilation == (1, 1)
        and layer.groups == 1
        and min(layer.in_channels, layer.out_channels) >= _FEWEST_CHANNELS
    )


def forward_of(layer: nn.Conv2d) -> Callable[[Tensor], Tensor]:
    """What may stand in for the ``forward`` of a layer that `suits`; elsewhere than on CPUs it is that."""
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode

    def forward(features: Tensor) -> Tensor:
        few = features.numel() < _FEWEST_PIXELS * layer.in_channels
        if few or features.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
            return nn.Conv2d.forward(layer, features)
        output = convolve(functional.pad(features, (1, 1, 1, 1), mode=mode), layer.weight)
        return output if layer.bias is None else output + layer.bias.view(-1, 1, 1)

    return forward


def convolve(images: Tensor, weights: Tensor) -> Tensor:
    """A convolution without padding.

    Args:
        images: ``(N, C, H, W)``, float32 or float64.
        weights: ``(K, C, 3, 3)``, of the same type.

    Returns:
        ``(N, K, H - 2, W - 2)``.
    """
    height, width = (edge - 2 for edge in images.shape[-2:])
    right, below = -width % _STEP, -height % _STEP
    whole = functional.pad(images, (0, right, 0, below)) if right or below else images
    output: Tensor = _Convolution.apply(whole, weights)
    return output[..., :height, :width]


class _Convolution(torch.autograd.Function):
    """``apply(images, weights)`` for edges of 2 more than multiples of 4."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weights: Tensor) -> Tensor:
        tiles, filters = _transformed_tiles(images), _transformed_filters(weights)
        ctx.save_for_backward(tiles, filters)
        ctx.shape = images.shape
        count, _, height, width = images.shape
        pixels = _each(_PIXELS, torch.bmm(filters, tiles.transpose(0, 1)).transpose(0, 1))
        pixels = pixels.view(len(weights), _STEP, _STEP, count, (height - 2) // _STEP, (width - 2) // _STEP)
        return pixels.permute(3, 0, 4, 1, 5, 2).reshape(count, -1, height - 2, width - 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        tiles, filters = ctx.saved_tensors
        count, channels, height, width = gradient.shape
        blocks = gradient.reshape(count, channels, height // _STEP, _STEP, width // _STEP, _STEP)
        pixels = blocks.permute(1, 3, 5, 0, 2, 4).reshape(channels, _STEP * _STEP, -1)
        products = _each(_PIXELS.T, pixels).transpose(0, 1)
        of_images = of_weights = None
        if ctx.needs_input_grad[0]:
            back = torch.bmm(filters.transpose(1, 2), products)
            of_images = _from_tiles(_each(_TILES.T, back.transpose(0, 1)), ctx.shape)
        if ctx.needs_input_grad[1]:
            sums = torch.bmm(products, tiles.permute(1, 2, 0))
            of_weights = (_FILTERS.T.to(sums) @ sums.flatten(1)).T.reshape(channels, -1, 3, 3)
        return of_images, of_weights


def _transformed_tiles(images: Tensor) -> Tensor:
    """``(N, C, H, W)`` to ``(C, 36, tiles of all images)``."""
    cut = images.unfold(2, _TILE, _STEP).unfold(3, _TILE, _STEP).permute(1, 4, 5, 0, 2, 3)
    return _each(_TILES, cut.reshape(images.shape[1], _TILE * _TILE, -1))


def _transformed_filters(weights: Tensor) -> Tensor:
    """``(K, C, 3, 3)`` to ``(36, K, C)``."""
    return (_FILTERS.to(weights) @ weights.reshape(-1, 9).T).view(_TILE * _TILE, *weights.shape[:2])


def _from_tiles(tiles: Tensor, shape: torch.Size) -> Tensor:
    """Add overlapping tiles ``(C, 36, N * rows * columns)`` to images ``(N, C, H, W)``."""
    count, channels, height, width = shape
    rows, columns = ((edge - 2) // _STEP for edge in (height, width))
    parts = tiles.view(channels, _TILE, _TILE, count, rows, columns).permute(3, 0, 4, 1, 5, 2)
    # A tile reaches two pixels into the tiles below and to the right of it.
    images = tiles.new_zeros(count, channels, rows + 1, _STEP, columns + 1, _STEP)
    images[:, :, :-1, :, :-1] = parts[:, :, :, :_STEP, :, :_STEP]
    images[:, :, 1:, :2, :-1] += parts[:, :, :, _STEP:, :, :_STEP]
    images[:, :, :-1, :, 1:, :2] += parts[:, :, :, :_STEP, :, _STEP:]
    images[:, :, 1:, :2, 1:, :2] += parts[:, :, :, _STEP:, :, _STEP:]
    return images.view(count, channels, height + 2, width + 2)[..., :height, :width]


def _each(matrix: Tensor, stack: Tensor) -> Tensor:
    """A small matrix times each matrix of a stack."""
    # One product with all of them side by side takes twice the time.
    return torch.bmm(matrix.to(stack).expand(len(stack), -1, -1), stack)
