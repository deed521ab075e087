"""Turns the numbers of a run into what the page shows; computes no score of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cmda_core.evaluation.segmentation import METRICS, Metric
from cmda_core.preparation import CaseQuality
from cmda_core.reporting.finished import FinishedRun, StageCost

NOTHING = "\N{EN DASH}"
"""Shown in place of a number that there is not."""

ROMAN = ("I", "II", "III", "IV")
"""Koos grades as clinicians write them."""

GRADING_FIGURES = (
    ("ma_mae", "MA-MAE"),
    ("mamse", "MAMSE"),
    ("accuracy", "Accuracy"),
    ("macro_f1", "Macro F1"),
    ("ece", "ECE"),
    ("brier", "Brier"),
    ("rps", "RPS"),
)
"""Scores of graders by their key in the summary."""

HIGHER_IS_BETTER = {"Accuracy", "Macro F1"}
"""Of the other scores of graders less is better."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Mean and standard deviation of a metric.

    Attributes:
        mean: Empty without a scored case.
        sd: Empty for a single case.
        digits: After the decimal point.
        best: True if no other row has a better mean.
    """

    mean: float | None
    sd: float | None
    digits: int
    best: bool = False


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One entry's scores of one structure.

    Attributes:
        entry: Name of the entry.
        cells: One per metric.
        cases: Cases with a score.
        missed: Cases where the structure was not found.
    """

    entry: str
    cells: tuple[Cell, ...]
    cases: int
    missed: int


@dataclass(frozen=True, slots=True)
class Strip:
    """The Dice of every case of one entry and structure, to be drawn as dots on a line.

    Attributes:
        entry: Name of the entry.
        dots: Case and Dice.
        mean: Mean Dice.
    """

    entry: str
    dots: tuple[tuple[str, float], ...]
    mean: float


@dataclass(frozen=True, slots=True)
class StructureView:
    """Everything about one structure.

    Attributes:
        name: Name of the structure.
        rows: One per entry.
        strips: One per entry with at least one scored case.
    """

    name: str
    rows: tuple[SummaryRow, ...]
    strips: tuple[Strip, ...]


@dataclass(frozen=True, slots=True)
class ReliabilityBar:
    """The cases of one bin of the confidence.

    Attributes:
        low: Lower edge of the bin.
        high: Upper edge of the bin.
        cases: Number of cases.
        share: Number of cases relative to the fullest bin, 0 to 1.
        confidence: Mean confidence.
        accuracy: Share of right grades.
    """

    low: float
    high: float
    cases: int
    share: float
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class GraderView:
    """The scores of one grader.

    Attributes:
        name: Name of the grader.
        figures: Title and value.
        cases: Graded cases with a true grade.
        confusion: Rows: true grade; columns: predicted grade; number of cases.
        shares: The same as shares of the true grade, 0 to 1.
        reliability: How often the grader is right when it is how sure; empty without probabilities.
    """

    name: str
    figures: tuple[tuple[str, float | None], ...]
    cases: int
    confusion: tuple[tuple[int, ...], ...]
    shares: tuple[tuple[float, ...], ...]
    reliability: tuple[ReliabilityBar, ...]


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


@dataclass(frozen=True, slots=True)
class PreparationView:
    """What the preprocessor says of the scans.

    Attributes:
        doubted: Scans that should be looked at.
        names: Of the figures.
        rows: Each scan and its figures, in the order of ``names``; those that are doubted come first.
    """

    doubted: tuple[CaseQuality, ...]
    names: tuple[str, ...]
    rows: tuple[tuple[CaseQuality, tuple[float | None, ...]], ...]


@dataclass(frozen=True, slots=True)
class Headline:
    """A figure of the method itself, shown large.

    Attributes:
        label: What it is.
        value: Mean.
        digits: After the decimal point.
        remark: Below the figure.
    """

    label: str
    value: float
    digits: int
    remark: str


def structure_views(run: FinishedRun) -> list[StructureView]:
    """The summary turned by structure, entries in the order of the run."""
    by_entry: Mapping[str, Any] = run.summary.get("segmentation", {})
    names = list(dict.fromkeys(name for scores in by_entry.values() for name in scores))
    return [
        StructureView(
            name,
            _with_best(
                [_summary_row(entry, scores[name]) for entry, scores in by_entry.items() if name in scores]
            ),
            _strips(run.per_case, name),
        )
        for name in names
    ]


def grader_views(run: FinishedRun, part: str = "grading") -> list[GraderView]:
    """The scores of every grader.

    Args:
        run: The run.
        part: ``grading`` for the test cases, ``cross_validation`` for the annotated ones.
    """
    return [_grader_view(name, scores) for name, scores in run.summary.get(part, {}).items()]


def headlines(run: FinishedRun) -> list[Headline]:
    """Mean Dice of each structure by the method itself, and the error of its grader."""
    entry, grader = run.experiment.entry, run.experiment.grader.plugin
    found = []
    for name, scores in run.summary.get("segmentation", {}).get(entry, {}).items():
        if scores["dice"]["mean"] is not None:
            assd = scores["assd_mm"]["mean"]
            found.append(Headline(f"Dice, {name}", scores["dice"]["mean"], 3, f"ASSD {assd:.2f} mm"))
    scores = run.summary.get("grading", {}).get(grader)
    if scores:
        found.append(Headline("Koos MA-MAE", scores["ma_mae"], 2, f"{scores['cases']} graded cases"))
    return found


def preparation_view(cases: Sequence[CaseQuality]) -> PreparationView:
    """The scans and their figures."""
    names = tuple(dict.fromkeys(name for case in cases for name in case.figures))
    ordered = sorted(cases, key=lambda case: not case.concerns)
    rows = tuple((case, tuple(case.figures.get(name) for name in names)) for case in ordered)
    return PreparationView(tuple(case for case in ordered if case.concerns), names, rows)


def bars(costs: list[StageCost]) -> list[Bar]:
    """Time and memory of every stage relative to the largest."""
    longest = max((cost.seconds or 0.0 for cost in costs), default=0.0) or 1.0
    largest = max((cost.peak_mb or 0.0 for cost in costs), default=0.0) or 1.0
    return [Bar(cost, (cost.seconds or 0.0) / longest, (cost.peak_mb or 0.0) / largest) for cost in costs]


def flat(facts: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested facts as pairs of a dotted name and a value."""
    pairs = []
    for name, value in facts.items():
        if isinstance(value, Mapping):
            pairs += flat(value, f"{prefix}{name}.")
        else:
            pairs.append((f"{prefix}{name}", str(value)))
    return pairs


def decimals(value: float | None, digits: int) -> str:
    """A number for a table; a dash where there is none."""
    return NOTHING if value is None or math.isnan(value) else f"{value:.{digits}f}"


def duration(seconds: float | None) -> str:
    """Seconds as people say them; a dash where there are none."""
    if seconds is None:
        return NOTHING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def _summary_row(entry: str, scores: Mapping[str, Any]) -> SummaryRow:
    cells = tuple(
        Cell(scores[metric.name]["mean"], scores[metric.name]["sd"], _digits(metric)) for metric in METRICS
    )
    return SummaryRow(entry, cells, scores["cases"], scores["missed"])


def _digits(metric: Metric) -> int:
    return 2 if metric.unit == "mm" else 3


def _with_best(rows: list[SummaryRow]) -> tuple[SummaryRow, ...]:
    if len(rows) < 2:
        return tuple(rows)
    columns = []
    for number, metric in enumerate(METRICS):
        means = [mean for row in rows if (mean := row.cells[number].mean) is not None]
        columns.append((max if metric.higher_is_better else min)(means) if means else None)
    return tuple(
        SummaryRow(
            row.entry,
            tuple(
                Cell(cell.mean, cell.sd, cell.digits, best=cell.mean is not None and cell.mean == best)
                for cell, best in zip(row.cells, columns, strict=True)
            ),
            row.cases,
            row.missed,
        )
        for row in rows
    )


def _strips(per_case: pd.DataFrame, structure: str) -> tuple[Strip, ...]:
    scored = per_case[per_case["structure"] == structure].dropna(subset=["dice"])
    return tuple(
        Strip(
            str(entry),
            tuple((str(case), float(dice)) for case, dice in zip(rows["case"], rows["dice"], strict=True)),
            float(rows["dice"].mean()),
        )
        for entry, rows in scored.groupby("entry", sort=False)
    )


def _grader_view(name: str, scores: Mapping[str, Any]) -> GraderView:
    confusion = tuple(tuple(row) for row in scores["confusion"])
    shares = tuple(tuple(count / max(1, sum(row)) for count in row) for row in confusion)
    figures = tuple((title, scores.get(key)) for key, title in GRADING_FIGURES)
    return GraderView(name, figures, scores["cases"], confusion, shares, _reliability(scores))


def _reliability(scores: Mapping[str, Any]) -> tuple[ReliabilityBar, ...]:
    bins = [one for one in scores.get("reliability", []) if one["cases"]]
    fullest = max((one["cases"] for one in bins), default=1)
    return tuple(
        ReliabilityBar(
            one["low"],
            one["high"],
            one["cases"],
            one["cases"] / fullest,
            one["confidence"],
            one["accuracy"],
        )
        for one in bins
    )
