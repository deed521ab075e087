"""The entries of a report: whose segmentations are shown, under which name and in which colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cmda_core.reporting.colours import colours_of
from cmda_core.reporting.finished import FinishedRun

REFERENCE = "reference"
"""What the expert's labels are called among the entries."""


@dataclass(frozen=True, slots=True, eq=False)
class ShownEntry:
    """An entry with one of its trainings.

    Attributes:
        name: As in the tables.
        colour: As ``#rrggbb``, in tables and pictures alike.
        run: The run that it was trained in.
        segmented: Folder of its label maps.
        seed: Of the training, where an entry has several.
    """

    name: str
    colour: str
    run: FinishedRun
    segmented: Path
    seed: int | None = None


def entries_of(run: FinishedRun) -> list[ShownEntry]:
    """The entries of a single run, the method itself before its baselines."""
    return [
        ShownEntry(name, colour, run, run.folder / "segmented" / name)
        for name, colour in colours_of(run.entries).items()
    ]


def first_seeds(entries: Sequence[ShownEntry]) -> list[ShownEntry]:
    """Every entry once, with the first of its trainings."""
    first: dict[str, ShownEntry] = {}
    for entry in entries:
        first.setdefault(entry.name, entry)
    return list(first.values())
