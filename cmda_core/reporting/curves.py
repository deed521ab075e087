"""Training curves as points of small drawings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
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


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One logged value over the steps of a training.

    Attributes:
        name: Of the value.
        steps: Mean step of each stretch.
        values: Mean value of each stretch.
        last_step: Number of steps.
    """

    name: str
    steps: NDArray[np.float64]
    values: NDArray[np.float64]
    last_step: int


@dataclass(frozen=True, slots=True, eq=False)
class Log:
    """What one training logged.

    Attributes:
        name: Folder and file within the run.
        series: In the order in which the values were first logged.
        entry: Whose training it was, where several are drawn together.
        seed: Of the training, likewise.
        identity: Device and number of the file: those that runs share are hard links.
    """

    name: str
    series: tuple[Series, ...]
    entry: str = ""
    seed: int | None = None
    identity: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Line:
    """One training in a drawing.

    Attributes:
        entry: Whose training it is.
        title: Entry and seed, and how it ends.
        points: ``x,y`` pairs in a drawing of ``WIDTH`` x ``HEIGHT``, as SVG wants them.
        first: Mean of the first stretch.
        last: Mean of the last stretch.
    """

    entry: str
    title: str
    points: str
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A value over the steps of one training or several.

    Attributes:
        name: Of the value.
        lines: One per training.
        low: Value at the bottom of the drawing.
        high: Value at its top.
        steps: Step at its right end.
    """

    name: str
    lines: tuple[Line, ...]
    low: float
    high: float
    steps: int


@dataclass(frozen=True, slots=True)
class Training:
    """The curves of one training, or of the same training of several entries.

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
    return drawn_together(read_logs(run))


def read_logs(run: Path, entry: str = "", seed: int | None = None) -> list[Log]:
    """What all trainings of a run logged, stage by stage.

    Raises:
        DataError: If a log is damaged.
    """
    logs = []
    for stage in STAGES:
        for path in sorted((run / stage).rglob("[!.]*.csv")):
            if _is_log(path):
                name = path.relative_to(run).with_suffix("").as_posix().removesuffix("/training")
                facts = path.stat()
                logs.append(Log(name, read_series(path), entry, seed, (facts.st_dev, facts.st_ino)))
    return [log for log in logs if log.series]


def drawn_together(logs: Iterable[Log]) -> list[Training]:
    """One drawing per value, with a line per log of the same name."""
    by_name: dict[str, list[Log]] = {}
    for log in logs:
        by_name.setdefault(log.name, []).append(log)
    return [Training(name, _curves(some)) for name, some in by_name.items()]


def read_series(path: Path) -> tuple[Series, ...]:
    """The values of a log with the columns ``step``, ``key`` and ``value``; NaN is left out.

    Raises:
        DataError: If the file is damaged.
    """
    table = read_table(path, ["step", "key", "value"])
    for column in ("step", "value"):
        # A line that a crash cut short is no number; the training goes on without it, and so do we.
        table[column] = pd.to_numeric(table[column], errors="coerce")
    finite = table[np.isfinite(table["value"]) & np.isfinite(table["step"])]
    return tuple(_series(str(name), rows) for name, rows in finite.groupby("key", sort=False))


def _is_log(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as stream:
        return stream.readline().strip() == "step,key,value"


def _series(name: str, rows: pd.DataFrame) -> Series:
    rows = rows.sort_values("step", kind="stable")
    stretch = math.ceil(len(rows) / MOST_POINTS)
    steps = _averaged(rows["step"].to_numpy(float), stretch)
    values = _averaged(rows["value"].to_numpy(float), stretch)
    return Series(name, steps, values, int(rows["step"].iloc[-1]))


def _curves(logs: Sequence[Log]) -> tuple[Curve, ...]:
    names = dict.fromkeys(series.name for log in logs for series in log.series)
    return tuple(
        _curve(name, [(log, series) for log in logs for series in log.series if series.name == name])
        for name in names
    )


def _curve(name: str, found: Sequence[tuple[Log, Series]]) -> Curve:
    low = min(float(series.values.min()) for _, series in found)
    high = max(float(series.values.max()) for _, series in found)
    begin = min(float(series.steps[0]) for _, series in found)
    end = max(float(series.steps[-1]) for _, series in found)
    lines = []
    for log, series in found:
        across = _scaled(series.steps, begin, end) * WIDTH
        down = HEIGHT - _scaled(series.values, low, high) * HEIGHT
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, down, strict=True))
        first, last = float(series.values[0]), float(series.values[-1])
        who = log.entry if log.seed is None else f"{log.entry}, seed {log.seed}"
        lines.append(Line(log.entry, f"{who}: {last:.3g}" if who else f"{last:.3g}", points, first, last))
    return Curve(name, tuple(lines), low, high, max(series.last_step for _, series in found))


def _averaged(values: NDArray[np.float64], stretch: int) -> NDArray[np.float64]:
    return np.add.reduceat(values, starts := np.arange(0, len(values), stretch)) / np.diff(
        np.append(starts, len(values))
    )


def _scaled(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    return (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
