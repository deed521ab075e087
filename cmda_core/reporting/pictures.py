"""Makes the pictures of a report: which cases, from which files, under which names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pandas as pd

from cmda_core.datasets import read_dataset
from cmda_core.datasets.labels import read_task_labels
from cmda_core.errors import CmdaError
from cmda_core.evaluation.references import References
from cmda_core.reporting.figures import ENTRY_COLOURS, save_png
from cmda_core.reporting.finished import FinishedRun
from cmda_core.reporting.segmentations import SegmentedScan, segmentation_montage
from cmda_core.reporting.translations import TranslatedScan, translation_montage
from cmda_core.schema import Case, Cohort
from cmda_core.volumes import LabelVolume, Volume, read_labels, read_volume, require_same_grid

MOST_SEGMENTATIONS = 24
"""Cases shown; of more than that, evenly from the worst to the best."""

MOST_TRANSLATIONS = 4
"""Cases shown of each direction."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the report.

    Attributes:
        file: Relative to the report.
        case: What it shows.
        alt: For those who cannot see it.
    """

    file: str
    case: str
    alt: str


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures, and what is to be said about those that are not there.

    Attributes:
        pictures: In the order of the report.
        notes: One sentence each.
    """

    pictures: tuple[Picture, ...]
    notes: tuple[str, ...] = ()


def colours_of(entries: Sequence[str]) -> dict[str, str]:
    """The colour of each entry, in tables and pictures alike."""
    return {entry: ENTRY_COLOURS[number % len(ENTRY_COLOURS)] for number, entry in enumerate(entries)}


def draw_segmentations(run: FinishedRun, folder: Path) -> Gallery:
    """One picture per test case, with the outlines of all entries and of the reference.

    Raises:
        OutputError: If a picture cannot be written.
    """
    predictions = {entry: run.folder / "segmented" / entry for entry in run.entries}
    names = {
        path.name.removesuffix("_Label.nii.gz")
        for some in predictions.values()
        for path in some.glob("[!.]*_Label.nii.gz")
    }
    if not names:
        return Gallery((), ("No scan has been segmented yet.",))
    try:
        dataset = read_dataset(run.experiment.data, run.experiment.task)
    except CmdaError as error:
        return Gallery((), (f"The scans cannot be shown: {error}",))
    scans = {case.id: case for case in dataset.test}
    references, notes = _references(run, dataset.values)
    pictures = []
    for number, name in enumerate(_chosen(sorted(names), run.per_case, MOST_SEGMENTATIONS), 1):
        try:
            scan = _segmented_scan(name, scans, predictions, references)
        except CmdaError as error:
            notes.append(f"{name} cannot be shown: {error}")
            continue
        figure = segmentation_montage(scan, run.experiment.task.structures, colours_of(run.entries))
        file = f"pictures/segmentation-{number:03d}.png"
        save_png(folder / file, figure)
        pictures.append(Picture(file, name, _describe(scan, run.experiment.task.structures)))
    return Gallery(tuple(pictures), tuple(notes))


def draw_translations(run: FinishedRun, folder: Path) -> Gallery:
    """A few cases of each direction: real, translated, and a real scan of another subject.

    Raises:
        OutputError: If a picture cannot be written.
    """
    pictures: list[Picture] = []
    notes: list[str] = []
    for name, others in (("source", "target"), ("target", "source")):
        try:
            cohorts = [
                run.cohort(f"{path}.json")
                for path in (
                    f"prepared/unaffined/{name}",
                    f"translated/{name}",
                    f"prepared/unaffined/{others}",
                )
            ]
            real, translated, other = cohorts
            if real is None or translated is None:
                notes.append(f"The {name} scans have not been translated yet.")
                continue
            pictures += _draw_direction(run, folder, name, (real, translated, other))
        except CmdaError as error:
            notes.append(f"Translated {name} scans cannot be shown: {error}")
    return Gallery(tuple(pictures), tuple(notes))


def _draw_direction(
    run: FinishedRun, folder: Path, name: str, cohorts: tuple[Cohort, Cohort, Cohort | None]
) -> list[Picture]:
    real, translated, others = cohorts
    images = {case.id: case for case in translated}
    pictures = []
    for number, case in enumerate(_spread([case for case in real if case.id in images], MOST_TRANSLATIONS)):
        other = others.cases[number % len(others)] if others is not None and len(others) else None
        scan = TranslatedScan(
            _image(case),
            _image(images[case.id]),
            _image(other) if other is not None else None,
            read_labels(case.labels, case.id) if case.labels is not None else None,
        )
        file = f"pictures/translation-{name}-{number + 1}.png"
        save_png(folder / file, translation_montage(scan, run.experiment.task.tumour_label))
        alt = f"One axial slice: {scan.real.modality} and the {scan.translated.modality} translated from it"
        pictures.append(Picture(file, case.id, alt))
    return pictures


def _image(case: Case) -> Volume:
    return read_volume(case.image, case.modality, case.id)


def _references(run: FinishedRun, values: Mapping[int, int] | None) -> tuple[References | None, list[str]]:
    path = run.experiment.data.reference
    if path is None:
        return None, ["The run has no reference: the pictures show what was found, not what is there."]
    try:
        return References.find(path, values), []
    except CmdaError as error:
        return None, [f"The reference cannot be shown: {error}"]


def _segmented_scan(
    name: str, scans: Mapping[str, Case], predictions: Mapping[str, Path], references: References | None
) -> SegmentedScan:
    if name not in scans:
        raise CmdaError("the dataset has no such scan any more.")
    image = _image(scans[name])
    paths = {entry: folder / f"{name}_Label.nii.gz" for entry, folder in predictions.items()}
    found = {
        entry: _on_grid(image, path, read_labels(path, name))
        for entry, path in paths.items()
        if path.is_file()
    }
    if references is None or name not in references.labels:
        return SegmentedScan(image, found)
    truth = references.labels[name]
    labels = read_task_labels(truth, name, references.values)
    return SegmentedScan(image, found, _on_grid(image, truth, labels))


def _on_grid(image: Volume, path: Path, labels: LabelVolume) -> LabelVolume:
    require_same_grid(image.grid, labels.grid, ("the scan", path.name))
    return labels


def _chosen(names: list[str], per_case: pd.DataFrame, most: int) -> list[str]:
    """Cases from the lowest to the highest mean Dice; cases without one come last."""
    scored = per_case.dropna(subset=["dice"])
    means = {str(case): float(rows["dice"].mean()) for case, rows in scored.groupby("case")}
    ordered = sorted(names, key=lambda name: (means.get(name, 2.0), name))
    return _spread(ordered, most)


def _spread(items: list[Item], most: int) -> list[Item]:
    """At most so many items, evenly from the first to the last."""
    if len(items) <= most:
        return items
    return [items[round(number * (len(items) - 1) / (most - 1))] for number in range(most)]


def _describe(scan: SegmentedScan, structures: Mapping[str, int]) -> str:
    drawn = [*scan.predictions, *(["the reference"] if scan.reference is not None else [])]
    return (
        f"Axial slices of {scan.image.modality}, whole and near {', '.join(structures)}, with the outlines "
        f"of {', '.join(drawn)}"
    )
