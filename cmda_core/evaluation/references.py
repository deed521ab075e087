"""Finds what predictions are compared with: label maps and Koos grades drawn by experts."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cmda_core.errors import DataError

LABEL_ENDINGS = ("_Label.nii.gz", "_Label.nii")
"""How files with label maps end in the crossMoDA layouts."""


@dataclass(frozen=True, slots=True)
class References:
    """The references of a folder.

    Attributes:
        folder: Where they were found.
        labels: Label map of each case.
        grades: Koos grade 1 to 4 of each case that has one.
    """

    folder: Path
    labels: Mapping[str, Path]
    grades: Mapping[str, int]

    @classmethod
    def find(cls, folder: Path) -> References:
        """Search a folder and all folders in it.

        Label maps are ``<case>_Label.nii.gz``; grades stand in ``infos_*.csv`` with the columns
        ``crossmoda_name`` and ``koos``. Whatever is not a grade of 1 to 4 there, such as
        ``post-operative-london``, means that the case has none.

        Raises:
            DataError: If the folder is missing, holds neither labels nor grades, or holds two
                label maps of one case; or if a table lacks a column.
        """
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder. Name the folder that holds the references.")
        labels = _find_labels(folder)
        grades: dict[str, int] = {}
        for path in sorted(folder.rglob("infos_*.csv")):
            grades.update(_read_infos(path))
        if not labels and not grades:
            raise DataError(
                f"{folder}: holds no references. Expected files named <case>_Label.nii.gz, or infos_*.csv."
            )
        return cls(folder, labels, grades)


def label_case(path: Path) -> str | None:
    """Case of a ``<case>_Label.nii.gz`` file, or nothing if the file has another name."""
    for ending in LABEL_ENDINGS:
        if path.name.endswith(ending):
            return path.name.removesuffix(ending)
    return None


def read_rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Read a CSV file by the names of its columns.

    Args:
        path: UTF-8, with or without byte order mark, with any line ending.
        columns: Columns that it must have, in any order.

    Returns:
        One mapping per row, without blanks around names and values.

    Raises:
        DataError: If the file cannot be read or lacks a column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, skipinitialspace=True)
            names = [name.strip() for name in reader.fieldnames or []]
            reader.fieldnames = names
            rows = [{key: (value or "").strip() for key, value in row.items() if key} for row in reader]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: is not a CSV file in UTF-8 ({error}).") from error
    missing = [column for column in columns if column not in names]
    if missing:
        raise DataError(
            f"{path}: expected the columns {', '.join(columns)}, got {', '.join(names) or 'none'}."
        )
    return rows


def _find_labels(folder: Path) -> dict[str, Path]:
    labels: dict[str, Path] = {}
    for path in sorted(folder.rglob("*_Label.nii*")):
        case = label_case(path)
        if case is None:
            continue
        if case in labels:
            raise DataError(f"{path}: {labels[case]} is a label map of the same case. Remove one of them.")
        labels[case] = path
    return labels


def _read_infos(path: Path) -> dict[str, int]:
    rows = read_rows(path, ("crossmoda_name", "koos"))
    return {row["crossmoda_name"]: int(row["koos"]) for row in rows if row["koos"] in {"1", "2", "3", "4"}}
