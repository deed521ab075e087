"""What stages took, as bars."""

from __future__ import annotations

from dataclasses import dataclass

from cmda_core.reporting.finished import StageCost


@dataclass(frozen=True, slots=True)
class Bar:
    """A stage's time and memory, as shares of the largest ones.

    Attributes:
        cost: Time and memory.
        time_share: 0 to 1.
        memory_share: 0 to 1.
    """

    cost: StageCost
    time_share: float
    memory_share: float


def bars(costs: list[StageCost]) -> list[Bar]:
    """Time and memory of every stage relative to the largest."""
    longest = max((cost.seconds or 0.0 for cost in costs), default=0.0) or 1.0
    largest = max((cost.peak_mb or 0.0 for cost in costs), default=0.0) or 1.0
    return [Bar(cost, (cost.seconds or 0.0) / longest, (cost.peak_mb or 0.0) / largest) for cost in costs]
