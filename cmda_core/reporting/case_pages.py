"""Which cases get a page, and what stands on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd

from cmda_core.reporting.chosen import MOST_TRANSLATIONS, spread
from cmda_core.reporting.entries import ShownEntry
from cmda_core.reporting.finished import FinishedRun
from cmda_core.reporting.scans import ScannedCases, segmented_cases
from cmda_core.reporting.viewer import CasePage, Role, test_view, training_view
from cmda_core.schema import Case

MOST_PAGES = 120
"""Test cases with a page; of more than that, evenly by name. A page takes some MB."""

_TRAINING: tuple[Role, ...] = ("source", "target")


def case_pages(
    run: FinishedRun,
    entries: Sequence[ShownEntry],
    scans: ScannedCases | None,
    per_case: pd.DataFrame,
    grades: pd.DataFrame,
) -> list[CasePage]:
    """The pages of the test cases, then those of some training cases of each modality.

    Args:
        run: Whose task and prepared scans are shown; those of the entries are the same.
        entries: Whose segmentations and translations are shown.
        scans: The test scans, if they can be read.
        per_case: Scores with the columns of ``per_case.csv``.
        grades: Grades with the columns of ``grades.csv``.
    """
    task = run.experiment.task
    scores, graded = _by_case(per_case), _by_case(grades)
    concerns = {(one.cohort, one.case): one.concerns for one in run.prepared}
    pages = []
    if scans is not None:
        for name in spread(segmented_cases(entries), MOST_PAGES):
            load = partial(test_view, name, scans, entries, task)
            facts = scores.get(name, ()), graded.get(name, ()), concerns.get(("test", name), ())
            pages.append(CasePage(name, "test", load, *facts))
    for role in _TRAINING:
        for case in _training_cases(run, role):
            load = partial(training_view, case, role, entries, task)
            pages.append(CasePage(case.id, role, load, concerns=concerns.get((role, case.id), ())))
    return pages


def _by_case(table: pd.DataFrame) -> Mapping[str, list[dict[Any, Any]]]:
    return {str(case): rows.to_dict("records") for case, rows in table.groupby("case", sort=False)}


def _training_cases(run: FinishedRun, role: Role) -> list[Case]:
    """The same cases as in the pictures: those that were also translated back."""
    real, translated = run.cohort(f"prepared/unaffined/{role}.json"), run.cohort(f"translated/{role}.json")
    if real is None or translated is None:
        return []
    names = {case.id for case in translated}
    return spread([case for case in real if case.id in names], MOST_TRANSLATIONS)
