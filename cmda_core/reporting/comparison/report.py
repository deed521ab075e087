"""Writes the report of a comparison: an overview of all entries and seeds, and a page per case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cmda_core.evaluation.comparison import Comparison
from cmda_core.evaluation.segmentation import METRICS
from cmda_core.evaluation.tables import summarise
from cmda_core.files import write_text
from cmda_core.reporting.colours import REFERENCE_COLOUR, colours_of
from cmda_core.reporting.comparison.grids import Grid, comparison_grids
from cmda_core.reporting.comparison.runs import (
    ComparedRun,
    ReadRun,
    compared_trainings,
    cost_table,
    read_runs,
    shown_entries,
)
from cmda_core.reporting.grading import grader_views
from cmda_core.reporting.pages import environment, write_assets
from cmda_core.reporting.plots import structure_plots
from cmda_core.reporting.views import flat


@dataclass(frozen=True, slots=True)
class ComparedScores:
    """Every score of a comparison.

    Attributes:
        per_case: Columns of ``per_case.csv``, and ``seed``.
        grades: Columns of ``grades.csv``, and ``seed``.
    """

    per_case: pd.DataFrame
    grades: pd.DataFrame


def write_comparison_report(
    comparison: Comparison, runs: Sequence[ComparedRun], scores: ComparedScores, out: Path, settings: str
) -> Path:
    """Write ``report/index.html`` and the pages of the cases.

    Args:
        comparison: What came of it.
        runs: Those that finished, in the order of the benchmark.
        scores: All scores of those.
        out: Folder of the benchmark.
        settings: The benchmark as YAML.

    Returns:
        ``report/index.html`` in it.

    Raises:
        DataError: If a file of a run is damaged.
        OutputError: If a file cannot be written.
    """
    folder = out / "report"
    read = read_runs(runs)
    text = (
        environment()
        .get_template("comparison.html.j2")
        .render(
            comparison=comparison,
            seeds=sorted({run.seed for run in runs}),
            colours=colours_of(comparison.entries),
            reference_colour=REFERENCE_COLOUR,
            tables=[_table(grid, _best(comparison, grid)) for grid in comparison_grids(comparison)],
            plots=structure_plots(scores.per_case, _intervals(comparison)),
            graders=grader_views(summarise(scores.per_case.iloc[:0], scores.grades)["grading"]),
            metrics=METRICS,
            scores=_averaged(scores.per_case),
            trainings=compared_trainings(read),
            costs=cost_table(read, comparison.entries),
            environment=flat(read[0].run.environment) if read else [],
            settings=settings,
            **_cases(comparison, read, scores, folder),
        )
    )
    write_assets(folder)
    write_text(folder / "index.html", text)
    return folder / "index.html"


def _cases(
    comparison: Comparison, runs: Sequence[ReadRun], scores: ComparedScores, folder: Path
) -> dict[str, Any]:
    # matplotlib takes a second to import, which commands that draw nothing need not wait for.
    from cmda_core.reporting.pictures import Gallery
    from cmda_core.reporting.shown import ShownCases, show_cases

    if not runs:
        shown = ShownCases(Gallery(()), Gallery(()), (), ())
        entries = []
    else:
        graded_alone = scores.per_case.empty and not scores.grades.empty
        entries = shown_entries(runs, comparison.entries, apart=not graded_alone)
        shown = show_cases(
            _richest(runs).run, entries, scores.per_case, scores.grades, folder, comparison.name
        )
    return {
        "shown": {entry.name: entry.colour for entry in entries},
        "segmentations": shown.segmentations,
        "translations": shown.translations,
        "pages": shown.pages,
        "page_notes": shown.notes,
        "hrefs": shown.hrefs,
    }


def _richest(runs: Sequence[ReadRun]) -> ReadRun:
    """A run with translations, whose training cases can be shown, if there is one."""
    return next((one for one in runs if (one.run.folder / "translated").is_dir()), runs[0])


def _table(grid: Grid, best: set[tuple[int, int]]) -> dict[str, Any]:
    return {
        "title": grid.title,
        "columns": grid.columns,
        "rows": [
            [{**_split(cell), "best": (row, column) in best} for column, cell in enumerate(cells)]
            for row, cells in enumerate(grid.rows)
        ],
        "notes": grid.notes,
    }


def _split(cell: str) -> dict[str, str]:
    """A number and its interval, which stands below it; a mark behind the interval stays with the number."""
    number, bracket, rest = cell.partition(" [")
    interval, _, mark = rest.partition("]")
    return {"text": number + mark, "interval": f"[{interval}]"} if bracket else {"text": cell, "interval": ""}


def _best(comparison: Comparison, grid: Grid) -> set[tuple[int, int]]:
    """Row and column of the best mean of each measure, in the table of scores."""
    if grid.title != comparison.name or not comparison.estimates:
        return set()
    best = set()
    measures = dict.fromkeys((one.subject, one.metric) for one in comparison.estimates)
    for column, (subject, metric) in enumerate(measures, 1):
        means = {
            row: estimate.mean
            for row, entry in enumerate(comparison.entries)
            if (estimate := comparison.estimate(entry, subject, metric.name)) is not None
        }
        if len(set(means.values())) > 1:
            top = (max if metric.higher_is_better else min)(means.values())
            best |= {(row, column) for row, mean in means.items() if mean == top}
    return best


def _intervals(comparison: Comparison) -> Mapping[tuple[str, str], tuple[float, float]]:
    return {
        (one.entry, one.subject): (one.interval.low, one.interval.high)
        for one in comparison.estimates
        if one.metric.name == "dice" and one.interval is not None
    }


def _averaged(per_case: pd.DataFrame) -> list[dict[Any, Any]]:
    """Scores of each entry and case over its seeds."""
    if per_case.empty:
        return []
    numbers = ["dice", "assd_mm", "hd95_mm", "volume_mm3", "reference_mm3"]
    keys = ["case", "entry", "structure"]
    means = per_case.groupby(keys, sort=False)[numbers].mean().reset_index()
    notes = per_case.groupby(keys, sort=False)["note"].agg(_words).reset_index()
    rows: list[dict[Any, Any]] = (
        means.merge(notes, on=keys).sort_values("case", kind="stable").to_dict("records")
    )
    return rows


def _words(notes: pd.Series[str]) -> str:
    return ", ".join(dict.fromkeys(note for note in notes if note))
