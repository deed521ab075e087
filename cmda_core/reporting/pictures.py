"""Makes the pictures of a report: which cases, from which files, under which names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cmda_core.errors import CmdaError, DataError, OutputError
from cmda_core.reporting.chosen import MOST_TRANSLATIONS, from_worst_to_best, spread
from cmda_core.reporting.entries import ShownEntry, first_seeds
from cmda_core.reporting.figures import save_png
from cmda_core.reporting.finished import FinishedRun
from cmda_core.reporting.paired import true_scan
from cmda_core.reporting.scans import ScannedCases, prediction, segmented_cases
from cmda_core.reporting.segmentations import SegmentedScan, segmentation_montage
from cmda_core.reporting.translations import TranslatedScan, translation_montage
from cmda_core.reporting.viewer import Role, ViewedImage
from cmda_core.reporting.viewer.images import fake_images
from cmda_core.schema import Case, Cohort
from cmda_core.volumes import Volume, read_labels, read_volume

MOST_SEGMENTATIONS = 24
"""Cases shown; of more than that, evenly from the worst to the best."""

_DIRECTIONS: tuple[tuple[Role, Role], ...] = (("source", "target"), ("target", "source"))

PICTURES = "pictures"
"""Folder of the pictures, within the report."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the report.

    Attributes:
        file: Relative to the report.
        case: What it shows.
        alt: For those who cannot see it.
        role: Cohort of the case: ``test``, ``source`` or ``target``.
    """

    file: str
    case: str
    alt: str
    role: Role = "test"


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures, and what is to be said about those that are not there.

    Attributes:
        pictures: In the order of the report.
        notes: One sentence each.
    """

    pictures: tuple[Picture, ...]
    notes: tuple[str, ...] = ()


def draw_segmentations(
    scans: ScannedCases,
    entries: Sequence[ShownEntry],
    structures: Mapping[str, int],
    per_case: pd.DataFrame,
    folder: Path,
) -> Gallery:
    """One picture per test case, with the outlines of all entries and of the reference.

    Args:
        scans: The test scans.
        entries: Of which the first training of each is drawn.
        structures: Label value of each structure.
        per_case: Scores, which order the cases.
        folder: Of the report.

    Raises:
        OutputError: If a picture cannot be written.
    """
    drawn = first_seeds(entries)
    names = spread(from_worst_to_best(segmented_cases(drawn), per_case), MOST_SEGMENTATIONS)
    pictures, notes = [], []
    for number, name in enumerate(names, 1):
        try:
            scan = _segmented_scan(name, scans, drawn)
        except CmdaError as error:
            notes.append(f"{name} cannot be shown: {error}")
            continue
        figure = segmentation_montage(scan, structures, {entry.name: entry.colour for entry in drawn})
        file = f"{PICTURES}/segmentation-{number:03d}.png"
        save_png(folder / file, figure)
        pictures.append(Picture(file, name, _describe(scan, structures)))
    return Gallery(tuple(pictures), (*scans.notes, *notes))


def draw_translations(run: FinishedRun, entries: Sequence[ShownEntry], folder: Path) -> Gallery:
    """A few cases of each direction: real, translated, and a real scan of another subject.

    Args:
        run: Whose prepared scans are drawn.
        entries: Whose translations are drawn; those that entries share are drawn once.
        folder: Of the report.

    Raises:
        OutputError: If a picture cannot be written.
    """
    pictures: list[Picture] = []
    notes: list[str] = []
    for role, others in _DIRECTIONS:
        try:
            real, other = (run.cohort(f"prepared/unaffined/{name}.json") for name in (role, others))
            drawn = [] if real is None else _draw_direction(role, real, other, entries, folder, run)
        except OutputError:
            raise
        except CmdaError as error:
            notes.append(f"Translated {role} scans cannot be shown: {error}")
            continue
        pictures += drawn
        if not drawn:
            notes.append(f"The {role} scans have not been translated yet.")
    return Gallery(tuple(pictures), tuple(notes))


def remove_other_pictures(folder: Path, galleries: Sequence[Gallery]) -> None:
    """Remove the pictures of an earlier report."""
    shown = {picture.file for gallery in galleries for picture in gallery.pictures}
    for path in (folder / PICTURES).glob("*.png"):
        if f"{PICTURES}/{path.name}" not in shown:
            path.unlink()


def _draw_direction(
    role: Role,
    real: Cohort,
    others: Cohort | None,
    entries: Sequence[ShownEntry],
    folder: Path,
    run: FinishedRun,
) -> list[Picture]:
    pictures = []
    for number, case in enumerate(spread(real.cases, MOST_TRANSLATIONS)):
        volume = _image(case)
        fakes, notes = fake_images(entries, role, volume, native=False)
        if notes:
            raise DataError(notes[0])
        if not fakes:
            continue
        other = others.cases[number % len(others)] if others is not None and len(others) else None
        scan = TranslatedScan(
            volume,
            {_who(fake): fake.volume for fake in fakes},
            _image(other) if other is not None else None,
            read_labels(case.labels, case.id) if case.labels is not None else None,
            true_scan(run, volume) if role == "source" else None,
        )
        file = f"{PICTURES}/translation-{role}-{number + 1}.png"
        save_png(folder / file, translation_montage(scan, run.experiment.task.tumour_label))
        alt = f"One axial slice: {volume.modality} and the {fakes[0].volume.modality} translated from it"
        pictures.append(Picture(file, case.id, alt, role))
    return pictures


def _who(fake: ViewedImage) -> str:
    """What stands in brackets behind the name of an image, if there are several."""
    return fake.name.partition("(")[2].removesuffix(")") or "translated"


def _image(case: Case) -> Volume:
    return read_volume(case.image, case.modality, case.id)


def _segmented_scan(name: str, scans: ScannedCases, entries: Sequence[ShownEntry]) -> SegmentedScan:
    image = scans.image(name)
    found = {entry.name: prediction(entry, image) for entry in entries}
    return SegmentedScan(
        image,
        {entry: labels for entry, labels in found.items() if labels is not None},
        scans.reference(image),
    )


def _describe(scan: SegmentedScan, structures: Mapping[str, int]) -> str:
    drawn = [*scan.predictions, *(["the reference"] if scan.reference is not None else [])]
    return (
        f"Axial slices of {scan.image.modality}, whole and near {', '.join(structures)}, with the outlines "
        f"of {', '.join(drawn)}"
    )
