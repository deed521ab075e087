"""Drawings of scores as points and texts; the templates turn them into SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cmda_core.evaluation.segmentation import ASSD, DICE, MISS_MM, Metric

STRIP_LEFT, STRIP_WIDTH, STRIP_ROW = 132.0, 370.0, 34.0
"""Where the axis of a strip begins, its length, and the height of a row."""

SCATTER = 340.0, 230.0
"""Width and height of the field of a scatter plot."""

LOWEST_MM = 0.05
"""Distances below this are drawn at it: on the logarithmic axis there is no zero."""

_LANES = (0.0, -5.0, 5.0, -9.0, 9.0)
_DOT = 8.0


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of an axis: its place in the drawing, and the text beside it."""

    place: float
    text: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A case in a drawing.

    Attributes:
        x: Place across.
        y: Place down.
        entry: Whose score it is.
        case: Whose page it leads to.
        title: Shown when pointed at.
    """

    x: float
    y: float
    entry: str
    case: str
    title: str


@dataclass(frozen=True, slots=True)
class StripRow:
    """The cases of one entry on a line.

    Attributes:
        entry: Name of the entry.
        y: Middle of the row.
        dots: One per case.
        middle: Place of the mean, or of the median where misses would make a mean meaningless.
        interval: Places of the ends of the mean's interval, if there is one.
    """

    entry: str
    y: float
    dots: tuple[Dot, ...]
    middle: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Strips:
    """One score of one structure: a row per entry, a dot per case.

    Attributes:
        title: Structure and score.
        middle: What the bar in each row is: ``mean`` or ``median``.
        height: Of the drawing.
        ticks: Of the axis.
        rows: From above.
    """

    title: str
    middle: str
    height: float
    ticks: tuple[Tick, ...]
    rows: tuple[StripRow, ...]


@dataclass(frozen=True, slots=True)
class Scatter:
    """A score against the volume of the reference.

    Attributes:
        title: Structure and score.
        across: Ticks of the volume.
        down: Ticks of the score.
        zero: Place of zero, if the axis passes it.
        dots: One per entry and case.
    """

    title: str
    across: tuple[Tick, ...]
    down: tuple[Tick, ...]
    zero: float | None
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class StructurePlots:
    """The drawings of one structure."""

    structure: str
    strips: tuple[Strips, ...]
    scatters: tuple[Scatter, ...]


Intervals = Mapping[tuple[str, str], tuple[float, float]]
"""95 % interval of the mean Dice, by entry and structure."""


def structure_plots(per_case: pd.DataFrame, intervals: Intervals | None = None) -> list[StructurePlots]:
    """Drawings of a table of scores, structure by structure.

    Args:
        per_case: With ``PER_CASE_COLUMNS``. Rows of one entry and case, such as those of several seeds,
            are averaged; cases without a reference are left out.
        intervals: Drawn where there are any.
    """
    scored = per_case.dropna(subset=["dice"])
    plots = []
    for structure, rows in scored.groupby("structure", sort=False):
        columns = ["dice", "assd_mm", "volume_mm3", "reference_mm3"]
        averaged = rows.groupby(["entry", "case"], sort=False)[columns].mean().reset_index()
        strips = (
            _strips(averaged, str(structure), DICE, intervals or {}),
            _strips(averaged, str(structure), ASSD, {}),
        )
        plots.append(StructurePlots(str(structure), strips, _scatters(averaged, str(structure))))
    return plots


def _strips(rows: pd.DataFrame, structure: str, metric: Metric, intervals: Intervals) -> Strips:
    place, ticks = (
        _dice_axis() if metric is DICE else _distance_axis(rows.loc[rows[metric.name] < MISS_MM, metric.name])
    )
    lines = []
    for number, (entry, own) in enumerate(rows.groupby("entry", sort=False)):
        y = STRIP_ROW * number + STRIP_ROW / 2 + 2
        values = own[metric.name].to_numpy(float)
        middle = float(values.mean() if metric is DICE else np.median(values))
        ends = intervals.get((str(entry), structure))
        interval = (round(place(ends[0]), 1), round(place(ends[1]), 1)) if ends else None
        dots = _dots(own, metric, place, y)
        lines.append(StripRow(str(entry), y, dots, round(place(middle), 1), interval))
    return Strips(
        f"{structure}: {metric.title}{f' in {metric.unit}' if metric.unit else ''}",
        "mean" if metric is DICE else "median",
        STRIP_ROW * len(lines) + 26,
        ticks,
        tuple(lines),
    )


def _dots(rows: pd.DataFrame, metric: Metric, place: Callable[[float], float], y: float) -> tuple[Dot, ...]:
    """Dots that would lie on each other are moved apart, up and down."""
    dots: list[Dot] = []
    reached = dict.fromkeys(_LANES, -math.inf)
    for row in rows.sort_values([metric.name, "case"]).itertuples():
        value = float(getattr(row, metric.name))
        x = place(value)
        lane = next(
            (lane for lane in _LANES if reached[lane] <= x - _DOT), min(_LANES, key=reached.__getitem__)
        )
        reached[lane] = x
        told = "missed" if value >= MISS_MM else f"{value:.3f} {metric.unit}".strip()
        title = f"{row.entry}, {row.case}: {metric.title} {told}"
        dots.append(Dot(round(x, 1), y + lane, str(row.entry), str(row.case), title))
    return tuple(dots)


def _dice_axis() -> tuple[Callable[[float], float], tuple[Tick, ...]]:
    def place(value: float) -> float:
        return STRIP_LEFT + value * STRIP_WIDTH

    return place, tuple(Tick(round(place(step / 5), 1), f"{step / 5:.1f}") for step in range(6))


def _distance_axis(
    distances: pd.Series[float],
) -> tuple[Callable[[float], float], tuple[Tick, ...]]:
    """Logarithmic, with a place of its own for what was missed."""
    low = max(LOWEST_MM, float(distances.min()) * 0.8) if len(distances) else 0.1
    high = max(low * 4, float(distances.max()) * 1.25) if len(distances) else 10.0
    width = STRIP_WIDTH - 56

    def place(value: float) -> float:
        if value >= MISS_MM:
            return STRIP_LEFT + STRIP_WIDTH - 10
        return STRIP_LEFT + _log_share(max(value, low), low, min(high, MISS_MM)) * width

    ticks = [Tick(round(place(value), 1), f"{value:g}") for value in _round_numbers(low, high)]
    return place, (*ticks, Tick(STRIP_LEFT + STRIP_WIDTH - 10, "missed"))


def _scatters(rows: pd.DataFrame, structure: str) -> tuple[Scatter, ...]:
    seen = rows[rows["reference_mm3"] > 0]
    if seen.empty:
        return ()
    error = 100 * (seen["volume_mm3"] / seen["reference_mm3"] - 1)
    low, high = float(seen["reference_mm3"].min()) * 0.85, float(seen["reference_mm3"].max()) * 1.18

    def across(value: float) -> float:
        return round(_log_share(value, low, high) * SCATTER[0], 1)

    ticks = tuple(Tick(across(value), f"{value:,.0f}") for value in _round_numbers(low, high))
    limit = max(10.0, float(error.abs().max()) * 1.08)
    return (
        _scatter(seen, seen["dice"], f"{structure}: Dice", (0.0, 1.0), across, ticks),
        _scatter(seen, error, f"{structure}: error of the volume in %", (-limit, limit), across, ticks),
    )


def _scatter(
    rows: pd.DataFrame,
    values: pd.Series[float],
    title: str,
    limits: tuple[float, float],
    across: Callable[[float], float],
    ticks: tuple[Tick, ...],
) -> Scatter:
    low, high = limits

    def down(value: float) -> float:
        return round(SCATTER[1] * (1 - (value - low) / (high - low)), 1)

    dots = [
        Dot(
            across(float(volume)),
            down(float(value)),
            str(entry),
            str(case),
            f"{entry}, {case}: {volume:,.0f} mm³, {value:.3g}",
        )
        for entry, case, volume, value in zip(
            rows["entry"], rows["case"], rows["reference_mm3"], values, strict=True
        )
    ]
    marks = tuple(Tick(down(value), f"{value:g}") for value in _steps(low, high))
    return Scatter(title, ticks, marks, down(0.0) if low < 0 < high else None, tuple(dots))


def _log_share(value: float, low: float, high: float) -> float:
    return math.log(value / low) / math.log(high / low)


def _round_numbers(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten within a range; others where those are too many or too few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    within = [value for value in found if low <= value <= high]
    if len(within) < 3:
        return _steps(low, high)
    return [value for value in within if f"{value:e}"[0] == "1"] if len(within) > 9 else within


def _steps(low: float, high: float) -> list[float]:
    """Round numbers at even distances within a range."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first = math.ceil(low / step)
    return [round(number * step, 10) for number in range(first, math.floor(high / step) + 1)]
