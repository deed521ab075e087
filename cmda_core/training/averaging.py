"""Exponential moving averages of weights."""

from __future__ import annotations

from typing import cast

from torch import nn
from torch.nn.utils.parametrize import is_parametrized
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

_POWER_ITERATIONS = 100


def moving_average(module: nn.Module, decay: float) -> AveragedModel:
    """A copy of a module whose weights and buffers follow those of the module.

    Args:
        module: What is trained; hand it to ``update_parameters`` after each step.
        decay: Share of the average that each update keeps.
    """
    return AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)


def take_over(module: nn.Module, average: AveragedModel) -> None:
    """Put averaged weights into the module; it is left in training mode."""
    module.load_state_dict(average.module.state_dict())
    module.train()
    _settle_spectral_norms(module)


def _settle_spectral_norms(module: nn.Module) -> None:
    # The mean of turning singular vectors is too short, so averaged weights would be divided by too little.
    parametrized = [part for part in module.modules() if is_parametrized(part)]
    for _ in range(_POWER_ITERATIONS):
        for part in parametrized:
            for name in cast(nn.ModuleDict, part.parametrizations):
                getattr(part, name)  # computed anew, after one more power iteration
