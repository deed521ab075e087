"""Convolutions that are handed to oneDNN give what torch gives."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cmda_core.training.onednn import prefer_onednn


def _network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv3d(1, 8, 3, padding=1),
        nn.LeakyReLU(),
        nn.Conv3d(8, 8, 3, stride=(1, 2, 2), padding=1, bias=False),
        nn.Conv3d(8, 4, 1, groups=2),
    )


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("batch", [1, 2])
def test_results_are_the_same_up_to_rounding(layout: torch.memory_format, batch: int) -> None:
    plain, other = _network(), _network().to(memory_format=layout)
    prefer_onednn(other)
    images = torch.randn(batch, 1, 6, 10, 12)
    with torch.no_grad():
        torch.testing.assert_close(other(images), plain(images), rtol=1e-4, atol=1e-5)


def test_gradients_and_other_precisions_are_as_before() -> None:
    plain, other = _network().double(), _network().double()
    prefer_onednn(other)
    images = torch.randn(1, 1, 6, 10, 12, dtype=torch.float64)
    plain(images).sum().backward()
    other(images).sum().backward()
    for one, two in zip(plain.parameters(), other.parameters(), strict=True):
        assert torch.equal(one.grad, two.grad)
