"""Training curves as points of small drawings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cmda_core.evaluation.tables import read_table

WIDTH, HEIGHT = 220, 84
"""Size of a drawing in its own units."""

MOST_POINTS = 160
"""Curves with more points are averaged over equal stretches of steps."""

STAGES = ("translator", "segmenter", "grader")


@dataclass(frozen=True, slots=True)
class Curve:
    """One logged value over the steps of a training.

    Attributes:
        name: Of the value.
        points: ``x,y`` pairs in a drawing of ``WIDTH`` x ``HEIGHT``, as SVG wants them.
        first: Mean of the first stretch.
        last: Mean of the last stretch.
        low: Value at the bottom of the drawing.
        high: Value at its top.
        steps: Last step.
    """

    name: str
    points: str
    first: float
    last: float
    low: float
    high: float
    steps: int


@dataclass(frozen=True, slots=True)
class Training:
    """The curves of one training.

    Attributes:
        name: Folder and file within the run.
        curves: In the order in which the values were first logged.
    """

    name: str
    curves: tuple[Curve, ...]


def read_trainings(run: Path) -> list[Training]:
    """The curves of all trainings of a run, stage by stage.

    Raises:
        DataError: If a log is damaged.
    """
    trainings = []
    for stage in STAGES:
        for path in sorted((run / stage).rglob("[!.]*.csv")):
            if _is_log(path):
                name = path.relative_to(run).with_suffix("").as_posix().removesuffix("/training")
                trainings.append(Training(name, read_curves(path)))
    return [training for training in trainings if training.curves]


def read_curves(path: Path) -> tuple[Curve, ...]:
    """The curves of a log with the columns ``step``, ``key`` and ``value``; NaN is left out.

    Raises:
        DataError: If the file is damaged.
    """
    table = read_table(path, ["step", "key", "value"])
    for column in ("step", "value"):
        # A line that a crash cut short is no number; the training goes on without it, and so do we.
        table[column] = pd.to_numeric(table[column], errors="coerce")
    finite = table[np.isfinite(table["value"]) & np.isfinite(table["step"])]
    return tuple(_curve(str(name), rows) for name, rows in finite.groupby("key", sort=False))


def _is_log(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as stream:
        return stream.readline().strip() == "step,key,value"


def _curve(name: str, rows: pd.DataFrame) -> Curve:
    rows = rows.sort_values("step", kind="stable")
    stretch = math.ceil(len(rows) / MOST_POINTS)
    steps = _averaged(rows["step"].to_numpy(float), stretch)
    values = _averaged(rows["value"].to_numpy(float), stretch)
    low, high = float(values.min()), float(values.max())
    across = _scaled(steps, float(steps[0]), float(steps[-1])) * WIDTH
    down = HEIGHT - _scaled(values, low, high) * HEIGHT
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, down, strict=True))
    last = int(rows["step"].iloc[-1])
    return Curve(name, points, float(values[0]), float(values[-1]), low, high, last)


def _averaged(values: NDArray[np.float64], stretch: int) -> NDArray[np.float64]:
    return np.add.reduceat(values, starts := np.arange(0, len(values), stretch)) / np.diff(
        np.append(starts, len(values))
    )


def _scaled(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    return (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
