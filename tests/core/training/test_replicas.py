"""What processes exchange; the exchange itself is made up here, `tests/core/processes` has real ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from cmda_core.training import replicas


def test_averaged_gradients_are_laid_out_as_the_weights_are(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3)).to(memory_format=torch.channels_last)
    network[0](torch.rand(1, 3, 8, 8)).square().sum().backward()
    expected = [
        torch.zeros_like(one) if one.grad is None else one.grad.clone() for one in network.parameters()
    ]

    def add_the_same_three_times(flat: Tensor) -> None:
        flat *= 4

    monkeypatch.setattr(replicas.dist, "all_reduce", add_the_same_three_times)
    replicas.average_gradients(list(network.parameters()), cast(Any, SimpleNamespace(world_size=2)))
    for weights, gradient in zip(network.parameters(), expected, strict=True):
        assert weights.grad is not None
        assert torch.equal(weights.grad, 2 * gradient)
        assert weights.grad.stride() == weights.stride()
