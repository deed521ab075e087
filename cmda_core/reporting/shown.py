"""Draws the cases of a report: the pictures of its first page, and the pages of single cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cmda_core.errors import CmdaError
from cmda_core.reporting.case_pages import case_pages
from cmda_core.reporting.entries import ShownEntry
from cmda_core.reporting.finished import FinishedRun
from cmda_core.reporting.pictures import (
    Gallery,
    draw_segmentations,
    draw_translations,
    remove_other_pictures,
)
from cmda_core.reporting.scans import ScannedCases, segmented_cases
from cmda_core.reporting.viewer import CaseLink, write_case_pages


@dataclass(frozen=True, slots=True)
class ShownCases:
    """What a report shows of cases.

    Attributes:
        segmentations: Pictures of test cases.
        translations: Pictures of training cases.
        pages: Of single cases.
        notes: A sentence about each page that there is not.
    """

    segmentations: Gallery
    translations: Gallery
    pages: tuple[CaseLink, ...]
    notes: tuple[str, ...]

    @property
    def hrefs(self) -> Mapping[str, Mapping[str, str]]:
        """File of each page, by role and case."""
        found: dict[str, dict[str, str]] = {"test": {}, "source": {}, "target": {}}
        for page in self.pages:
            found[page.role][page.case] = page.file
        return found


def show_cases(
    run: FinishedRun,
    entries: Sequence[ShownEntry],
    per_case: pd.DataFrame,
    grades: pd.DataFrame,
    folder: Path,
    title: str,
) -> ShownCases:
    """Write the pictures and the pages of a report.

    Args:
        run: Whose task and scans are shown; those of the entries are the same.
        entries: Whose segmentations and translations are shown.
        per_case: Scores with the columns of ``per_case.csv``.
        grades: Grades with the columns of ``grades.csv``.
        folder: Of the report.
        title: Of the report.

    Raises:
        OutputError: If a file cannot be written.
    """
    scans, segmentations = _segmentations(run, entries, per_case, folder)
    translations = draw_translations(run, entries, folder)
    remove_other_pictures(folder, (segmentations, translations))
    pages = case_pages(run, entries, scans, per_case, grades)
    links, notes = write_case_pages(pages, folder, title)
    return ShownCases(segmentations, translations, links, tuple(notes))


def _segmentations(
    run: FinishedRun, entries: Sequence[ShownEntry], per_case: pd.DataFrame, folder: Path
) -> tuple[ScannedCases | None, Gallery]:
    if not segmented_cases(entries):
        return None, Gallery((), ("No scan has been segmented yet.",))
    try:
        scans = ScannedCases.open(run)
    except CmdaError as error:
        return None, Gallery((), (f"The scans cannot be shown: {error}",))
    return scans, draw_segmentations(scans, entries, run.experiment.task.structures, per_case, folder)
