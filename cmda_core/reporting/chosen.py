"""Which cases are shown where not all of them can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import pandas as pd

Item = TypeVar("Item")

MOST_TRANSLATIONS = 4
"""Training cases shown of each direction, and cases that are translated there and back."""


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many items, evenly from the first to the last."""
    if len(items) <= most:
        return list(items)
    if most == 1:
        return [items[0]]
    return [items[round(number * (len(items) - 1) / (most - 1))] for number in range(most)]


def from_worst_to_best(names: Sequence[str], per_case: pd.DataFrame) -> list[str]:
    """Cases from the lowest to the highest mean Dice; cases without one come last."""
    scored = per_case.dropna(subset=["dice"])
    means = {str(case): float(rows["dice"].mean()) for case, rows in scored.groupby("case")}
    return sorted(names, key=lambda name: (means.get(name, 2.0), name))
