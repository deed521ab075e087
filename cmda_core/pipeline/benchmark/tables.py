"""From the scores of many runs, or from a file of scores, to a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cmda_core.errors import DataError
from cmda_core.evaluation.comparison import (
    GRADING_METRICS,
    Comparison,
    Failure,
    Measure,
    compare,
    grading_measures,
    read_scores,
    segmentation_measures,
    translation_measures,
)
from cmda_core.evaluation.comparison.scores import check_scores
from cmda_core.evaluation.segmentation import METRICS
from cmda_core.evaluation.tables import (
    GRADES_COLUMNS,
    PER_CASE_COLUMNS,
    TRANSLATION_COLUMNS,
    read_table,
    write_rows,
    write_table,
)
from cmda_core.evaluation.translation import TRANSLATION_METRICS
from cmda_core.pipeline.benchmark.runs import Outcome
from cmda_core.reporting.comparison import ComparedScores
from cmda_core.schema.benchmark import Benchmark


def compare_file(path: Path, *, baseline: str | None = None) -> Comparison:
    """Compare the teams or entries of a table of per-case scores.

    Args:
        path: See `cmda_core.evaluation.comparison.scores`.
        baseline: Entry to test the others against; without one nothing is tested.

    Raises:
        DataError: If the table cannot be used.
    """
    table, metrics = read_scores(path)
    return compare(segmentation_measures(table, metrics), name=path.stem, baseline=baseline)


def compare_runs(
    benchmark: Benchmark, outcomes: Sequence[Outcome], out: Path
) -> tuple[Comparison, ComparedScores]:
    """Gather the scores of finished runs and compare their entries.

    Writes ``per_case.csv``, ``grades.csv`` and, if there are any, ``translations.csv``, with a column for the
    seed, into ``out``.

    Returns:
        The statistics, and the scores that they are of.

    Raises:
        DataError: If the tables of a run cannot be used.
        OutputError: If a table cannot be written.
    """
    finished = [one for one in outcomes if one.failure is None]
    per_case = _gathered(finished, "per_case.csv", PER_CASE_COLUMNS)
    grades = _gathered(finished, "grades.csv", GRADES_COLUMNS)
    translations = _gathered(_translating(benchmark, finished), "translations.csv", TRANSLATION_COLUMNS)
    write_table(out / "per_case.csv", per_case)
    write_table(out / "grades.csv", grades)
    write_rows(out / "translations.csv", translations)
    comparison = compare(
        _measures(benchmark, per_case, grades, translations, out) if finished else [],
        name=benchmark.name,
        baseline=benchmark.baseline,
        entries=[entry.name for entry in benchmark.entries],
        failures=[Failure(one.entry, one.seed, one.failure) for one in outcomes if one.failure is not None],
    )
    return comparison, ComparedScores(per_case, grades)


def _translating(benchmark: Benchmark, outcomes: Sequence[Outcome]) -> list[Outcome]:
    names = {entry.name for entry in benchmark.entries if entry.training == "method" and benchmark.translates}
    return [one for one in outcomes if one.entry in names]


def _measures(
    benchmark: Benchmark, per_case: pd.DataFrame, grades: pd.DataFrame, translations: pd.DataFrame, out: Path
) -> list[Measure]:
    measures: list[Measure] = []
    if benchmark.segments:
        chosen = [metric for metric in METRICS if metric.name in benchmark.metrics]
        check_scores(per_case, chosen, str(out / "per_case.csv"))
        measures += segmentation_measures(per_case, chosen)
    if benchmark.grades:
        chosen = [metric for metric in GRADING_METRICS if metric.name in benchmark.metrics]
        measures += grading_measures(grades, chosen)
    if not translations.empty:
        chosen = [metric for metric in TRANSLATION_METRICS if metric.name in benchmark.metrics]
        measures += translation_measures(translations, chosen)
    return measures


def _gathered(outcomes: Sequence[Outcome], name: str, columns: list[str]) -> pd.DataFrame:
    tables = []
    for one in outcomes:
        path = one.folder / "evaluation" / name
        if not path.is_file():
            raise DataError(f"{path}: is missing. Delete {one.folder} and compare again.")
        table = read_table(path, columns)
        tables.append(table.assign(entry=one.entry, seed=one.seed))
    order = ["entry", "seed", *columns[1:]]
    filled = [table for table in tables if not table.empty]
    return pd.concat(filled, ignore_index=True)[order] if filled else pd.DataFrame(columns=order)
