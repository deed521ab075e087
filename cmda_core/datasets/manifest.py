"""Reads datasets that are described by a CSV manifest: any files, any task."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from cmda_core.datasets.dataset import Dataset
from cmda_core.datasets.grades import parse_grade
from cmda_core.datasets.split import Split, make_dataset
from cmda_core.errors import DataError
from cmda_core.files import is_there, write_text
from cmda_core.schema import Case, Task
from cmda_core.schema.names import plain_name
from cmda_core.tables import read_lines

MANIFEST = "manifest.csv"
COLUMNS = ("case", "subject", "split", "modality", "image", "labels", "parcellation", "grade", "centre")
_REQUIRED = ("split", "image")
_SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A scan of a manifest.

    Attributes:
        case: Name of the case; the image's name without endings if the table does not say.
        subject: Whose scan it is; the case if the table does not say.
        split: Which cohort it belongs to; nothing for a scan that is not used.
        modality: MR sequence; nothing stands for the task's modality of that cohort.
        image: NIfTI file.
        labels: Label map, if there is one.
        parcellation: Label map of the brain's regions, if there is one.
        grade: Koos grade, if there is one.
        centre: Hospital or scanner, if known.
    """

    case: str
    subject: str
    split: Split | None
    modality: str | None
    image: Path
    labels: Path | None = None
    parcellation: Path | None = None
    grade: int | None = None
    centre: str | None = None


def read_manifest(path: Path, task: Task) -> Dataset:
    """Find the scans that a manifest names; no image is opened.

    Labels, parcellation and grade of target and test scans are not taken over, so that nothing
    before the evaluation can read them.

    Args:
        path: The CSV file, or the folder that holds it as ``manifest.csv``.
        task: Names the modalities of source and target.

    Raises:
        DataError: If the table cannot be read, a column or a file is missing, or a case occurs twice.
    """
    rows = manifest_rows(path)
    cases: dict[Split, list[Case]] = {split: [] for split in _SPLITS}
    unpaired = []
    for row in rows:
        if row.split is None:
            continue
        if row.split == "source" and row.labels is None:
            unpaired.append(row.image)
            continue
        cases[row.split].append(_case(row, task))
    return make_dataset("csv", str(path), cases, unpaired)


def manifest_rows(path: Path) -> list[Row]:
    """All scans of a manifest, with those that are not used and those that are held out.

    Raises:
        DataError: If the table cannot be read, a column or a file is missing, or a value cannot be used.
    """
    table = path / MANIFEST if path.is_dir() else path
    lines = read_lines(table, _REQUIRED)
    if lines:
        _check_columns(lines[0].cells, table)
    return [_row(line.cells, table, f"{table}: line {line.number}") for line in lines]


def write_manifest(path: Path, rows: Iterable[Row]) -> None:
    """Write a manifest; files are named relative to it where they lie below its folder.

    Raises:
        OutputError: If the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        cells = (getattr(row, column) for column in COLUMNS)
        writer.writerow(_cell(cell, path.parent) for cell in cells)
    write_text(path, text.getvalue())


def _cell(value: object, folder: Path) -> object:
    if isinstance(value, Path):
        return value.relative_to(folder).as_posix() if value.is_relative_to(folder) else value.as_posix()
    return "" if value is None else value


def _check_columns(row: Mapping[str, str], table: Path) -> None:
    """A column that nearly has a known name would be left out in silence."""
    for name in row.keys() - set(COLUMNS):
        near = difflib.get_close_matches(name.lower(), [known for known in COLUMNS if known not in row], n=1)
        if near:
            raise DataError(f"{table}: column {name!r}: did you mean {near[0]!r}? Rename it.")


def _row(cells: Mapping[str, str], table: Path, where: str) -> Row:
    split = cells["split"].lower()
    if split not in ("", *_SPLITS):
        raise DataError(
            f"{where}: split: expected {', '.join(_SPLITS)} or nothing (not used), got {cells['split']!r}."
        )
    if not cells["image"]:
        raise DataError(f"{where}: image: is empty. Name the NIfTI file of the scan.")
    files = {column: _file(cells, column, table, where) for column in ("image", "labels", "parcellation")}
    image = files["image"]
    assert image is not None, "an empty cell was refused above"  # noqa: S101
    case = cells.get("case") or image.name.removesuffix(".gz").removesuffix(".nii")
    try:
        plain_name(case)
    except ValueError as error:
        raise DataError(f"{where}: case: {error}. Files are named after it.") from None
    return Row(
        case=case,
        subject=cells.get("subject") or case,
        split=next((known for known in _SPLITS if known == split), None),
        modality=cells.get("modality") or None,
        image=image,
        labels=files["labels"],
        parcellation=files["parcellation"],
        grade=parse_grade(cells.get("grade", ""), f"{where}: grade"),
        centre=cells.get("centre") or None,
    )


def _file(cells: Mapping[str, str], column: str, table: Path, where: str) -> Path | None:
    if not cells.get(column):
        return None
    path = table.parent / cells[column]
    if not is_there(path):
        raise DataError(
            f"{where}: {column}: {path} is missing. Correct the path; it is relative to the manifest."
        )
    return path


def _case(row: Row, task: Task) -> Case:
    source = row.split == "source"
    return Case(
        id=row.case,
        subject=row.subject,
        modality=row.modality or (task.source if source else task.target),
        image=row.image,
        labels=row.labels if source else None,
        parcellation=row.parcellation if source else None,
        grade=row.grade if source else None,
        centre=row.centre,
    )
