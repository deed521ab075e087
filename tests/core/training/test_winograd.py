"""Convolutions by Winograd's algorithm against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from cmda_core.training.winograd import convolve, forward_of, suits


def _draw(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, dtype=dtype, requires_grad=True)


@pytest.mark.parametrize("shape", [(1, 3, 6, 6), (2, 5, 10, 14), (3, 2, 7, 9), (1, 4, 3, 12)])
def test_values_and_gradients_are_those_of_a_convolution(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    images, weights = _draw(*shape), _draw(7, shape[1], 3, 3)
    ours, wanted = convolve(images, weights), functional.conv2d(images, weights)
    torch.testing.assert_close(ours, wanted, rtol=1e-10, atol=1e-10)
    gradient = torch.randn_like(wanted)
    torch.testing.assert_close(
        torch.autograd.grad(ours, (images, weights), gradient),
        torch.autograd.grad(wanted, (images, weights), gradient),
        rtol=1e-10,
        atol=1e-10,
    )


def test_single_precision_is_kept_to_five_digits() -> None:
    torch.manual_seed(0)
    images, weights = (_draw(*shape, dtype=torch.float32) for shape in ((1, 256, 18, 18), (64, 256, 3, 3)))
    exact = functional.conv2d(images.double(), weights.double())
    assert (convolve(images, weights) - exact).abs().max() < 2e-5 * exact.abs().max()


@pytest.mark.parametrize("mode", ["zeros", "reflect"])
@pytest.mark.parametrize("bias", [True, False])
def test_stands_in_for_a_layer(mode: str, bias: bool) -> None:
    layer = nn.Conv2d(128, 128, 3, padding=1, padding_mode=mode, bias=bias).double()
    assert suits(layer)
    features = _draw(1, 128, 24, 25)
    torch.testing.assert_close(forward_of(layer)(features), layer(features), rtol=1e-10, atol=1e-10)


def test_few_pixels_are_left_to_the_layer() -> None:
    layer = nn.Conv2d(128, 128, 3, padding=1)
    features = _draw(3, 128, 8, 9, dtype=torch.float32)
    assert torch.equal(forward_of(layer)(features), layer(features))


def test_layers_that_do_not_suit() -> None:
    layers = [
        nn.Conv2d(64, 128, 3, padding=1),
        nn.Conv2d(128, 128, 3, padding=1, stride=2),
        nn.Conv2d(128, 128, 3),
        nn.Conv2d(128, 128, 5, padding=2),
        nn.Conv2d(128, 128, 3, padding=1, groups=2),
        nn.ConvTranspose2d(128, 128, 3, padding=1),
        nn.Linear(128, 128),
    ]
    assert [suits(layer) for layer in layers] == [False] * len(layers)


def test_frozen_weights_get_no_gradient() -> None:
    images, weights = _draw(1, 2, 6, 6), _draw(2, 2, 3, 3).detach()
    convolve(images, weights).sum().backward()
    assert images.grad is not None
    assert weights.grad is None
