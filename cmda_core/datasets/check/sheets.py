"""Contact sheets of a dataset: one slice of every case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cmda_core.schema import Case, Task
from cmda_core.volumes import LabelVolume, Volume

if TYPE_CHECKING:
    from cmda_core.reporting.figures import Panel

PER_SHEET = 24

# matplotlib takes seconds to import, and most checks draw nothing: the figures are imported where drawn.


class Sheets:
    """Collects slices and writes a sheet whenever one is full, so that memory does not grow.

    Args:
        folder: Where sheets are written; nothing draws none.
        task: Names the structures.
    """

    def __init__(self, folder: Path | None, task: Task) -> None:
        self._folder = folder
        self._task = task
        self._tiles: list[Panel] = []
        self._number = 1
        self.written: list[Path] = []

    def add(self, cohort: str, tile: Panel | None) -> None:
        """Take a slice.

        Raises:
            OutputError: If a sheet is full and cannot be written.
        """
        if tile is not None:
            self._tiles.append(tile)
        if len(self._tiles) == PER_SHEET:
            self._write(cohort)

    def finish(self, cohort: str) -> None:
        """Write what is left of a cohort.

        Raises:
            OutputError: If the sheet cannot be written.
        """
        if self._tiles:
            self._write(cohort)
        self._number = 1

    def _write(self, cohort: str) -> None:
        from cmda_core.reporting.contact import contact_sheet
        from cmda_core.reporting.figures import save_png

        if self._folder is None:
            return
        path = self._folder / f"{cohort}-{self._number:02}.png"
        save_png(path, contact_sheet(self._tiles, outline_colours(self._task)))
        self.written.append(path)
        self._number += 1
        self._tiles = []


def outline_colours(task: Task) -> dict[str, str]:
    """Colour of each structure's outline."""
    from cmda_core.reporting.colours import ENTRY_COLOURS, REFERENCE_COLOUR

    others = [name for name in task.structures if name != task.tumour]
    return {
        task.tumour: REFERENCE_COLOUR,
        **{name: ENTRY_COLOURS[number % len(ENTRY_COLOURS)] for number, name in enumerate(others)},
    }


def tile_of(case: Case, scan: Volume | None, labels: LabelVolume | None, task: Task) -> Panel:
    """The axial slice where the tumour is largest, or the middle one, with the outlines of structures."""
    from cmda_core.reporting.figures import (
        Outline,
        Panel,
        axial,
        largest_section,
        window_of,
    )

    if scan is None:
        return Panel(np.zeros((2, 2), np.float32), (1.0, 1.0), (0.0, 1.0), f"{case.id}: cannot be read")
    stack = axial(scan)
    drawn = None if labels is None else axial(labels).slices
    index = len(stack.slices) // 2
    outlines = []
    if drawn is not None:
        tumour = drawn == task.tumour_label
        index = largest_section(tumour if tumour.any() else drawn > 0)
        outlines = [
            Outline(drawn[index] == task.structures[name], colour, 1.0)
            for name, colour in outline_colours(task).items()
        ]
    grade = "" if case.grade is None else f" · Koos {('I', 'II', 'III', 'IV')[case.grade - 1]}"
    return Panel(
        np.ascontiguousarray(stack.slices[index]),
        (stack.spacing[1], stack.spacing[2]),
        window_of(stack.slices[index]),
        f"{case.id}{grade}",
        tuple(outlines),
    )
