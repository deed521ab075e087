"""Turns the numbers of a run into what the page shows; computes no score of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cmda_core.evaluation.segmentation import METRICS, Metric
from cmda_core.preparation import CaseQuality
from cmda_core.reporting.finished import FinishedRun


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
class StructureView:
    """Everything about one structure.

    Attributes:
        name: Name of the structure.
        rows: One per entry.
    """

    name: str
    rows: tuple[SummaryRow, ...]


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
        )
        for name in names
    ]


def headlines(run: FinishedRun) -> list[Headline]:
    """Mean Dice of each structure by the method itself, and the error of its grader."""
    entry, grader = run.experiment.entry, run.experiment.grader.plugin
    found = []
    for name, scores in run.summary.get("segmentation", {}).get(entry, {}).items():
        if scores["dice"]["mean"] is not None:
            remark = f"ASSD {scores['assd_mm']['mean']:.2f} mm"
            if scores["missed"]:  # a miss counts with 350 mm
                remark = f"missed in {scores['missed']} of {scores['cases']} cases"
            found.append(Headline(f"Dice, {name}", scores["dice"]["mean"], 3, remark))
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


def flat(facts: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested facts as pairs of a dotted name and a value."""
    pairs = []
    for name, value in facts.items():
        if isinstance(value, Mapping):
            pairs += flat(value, f"{prefix}{name}.")
        else:
            pairs.append((f"{prefix}{name}", str(value)))
    return pairs


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
        best = (max if metric.higher_is_better else min)(means) if len(set(means)) > 1 else None
        columns.append(best)
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
