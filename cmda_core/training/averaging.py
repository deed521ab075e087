"""Exponential moving averages of weights."""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized
from torch.optim.swa_utils import get_ema_multi_avg_fn

_POWER_ITERATIONS = 100


class MovingAverage:
    """A copy of a network whose weights and buffers follow those of the network.

    torch's ``AveragedModel`` copies a counter to the device in every step, which waits for it.

    Args:
        network: What is trained.
        decay: Share of the average that each update keeps.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(network).requires_grad_(False)
        self._blend = get_ema_multi_avg_fn(decay)

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after a step; the first ones as they are."""
        if step == 0:
            self.module.load_state_dict(network.state_dict())
            return
        pairs = list(zip(_tensors(self.module), _tensors(network), strict=True))
        blended = [(own, new) for own, new in pairs if own.is_floating_point()]
        self._blend([own for own, _ in blended], [new for _, new in blended], step)
        for own, new in pairs:
            if not own.is_floating_point():
                own.copy_(new)

    def hand_over(self, network: nn.Module) -> None:
        """Put the averaged weights into the network; it is left in training mode."""
        network.load_state_dict(self.module.state_dict())
        network.train()
        _settle_spectral_norms(network)


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]


def _settle_spectral_norms(network: nn.Module) -> None:
    # The mean of turning singular vectors is too short, so averaged weights would be divided by too little.
    parametrized = [part for part in network.modules() if is_parametrized(part)]
    for _ in range(_POWER_ITERATIONS):
        for part in parametrized:
            for name in cast(nn.ModuleDict, part.parametrizations):
                getattr(part, name)  # computed anew, after one more power iteration
