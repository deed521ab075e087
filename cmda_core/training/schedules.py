"""Learning-rate schedules, advanced once per step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from cmda_core.training.config import ScheduleName

_POWER = 0.9
_FLOOR = 0.05


def schedule(optimizer: Optimizer, name: ScheduleName, steps: int) -> LambdaLR:
    """A schedule of that name over so many steps."""
    return LambdaLR(optimizer, partial(_FACTORS[name], steps=steps))


def _constant(step: int, steps: int) -> float:  # noqa: ARG001
    return 1.0


def _linear(step: int, steps: int) -> float:
    return min(1.0, 2 * (1 - step / steps))


def _polynomial(step: int, steps: int) -> float:
    return _FLOOR + (1 - _FLOOR) * (1 - step / steps) ** _POWER


_FACTORS: dict[ScheduleName, Callable[..., float]] = {
    "constant": _constant,
    "linear": _linear,
    "polynomial": _polynomial,
}
