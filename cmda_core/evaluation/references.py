"""Finds what predictions are compared with: label maps and Koos grades drawn by experts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cmda_core.datasets.files import named
from cmda_core.datasets.grades import read_grades
from cmda_core.datasets.manifest import manifest_rows
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
        values: Label of the task by value of the label maps; nothing if they hold the task's labels.
    """

    folder: Path
    labels: Mapping[str, Path]
    grades: Mapping[str, int]
    values: Mapping[int, int] | None = None

    @classmethod
    def find(cls, folder: Path, values: Mapping[int, int] | None = None) -> References:
        """Search a folder and all folders in it, or read the target and test rows of a CSV manifest.

        Label maps are ``<case>_Label.nii.gz``; grades stand in ``infos_*.csv`` with the columns
        ``crossmoda_name`` and ``koos``. Whatever is not a grade of 1 to 4 there, such as
        ``post-operative-london``, means that the case has none.

        Args:
            folder: The folder, or the manifest.
            values: Label of the task by value of the label maps.

        Raises:
            DataError: If the folder is missing, holds neither labels nor grades, or holds two
                label maps of one case; or if a table lacks a column.
        """
        if folder.is_file():
            labels, grades = _read_manifest(folder)
        elif folder.is_dir():
            labels, grades = _find_labels(folder), {}
            for path in named(folder, "infos_*.csv"):
                grades |= read_grades(path)
        else:
            raise DataError(f"{folder}: no such folder. Name the folder that holds the references.")
        if not labels and not grades:
            raise DataError(
                f"{folder}: holds no references. Expected files named <case>_Label.nii.gz, or infos_*.csv."
            )
        return cls(folder, labels, grades, values)


def label_case(path: Path) -> str | None:
    """Case of a ``<case>_Label.nii.gz`` file, or nothing if the file has another name."""
    for ending in LABEL_ENDINGS:
        if path.name.endswith(ending):
            return path.name.removesuffix(ending)
    return None


def _find_labels(folder: Path) -> dict[str, Path]:
    labels: dict[str, Path] = {}
    for path in named(folder, "*_Label.nii*"):
        case = label_case(path)
        if case is None:
            continue
        if case in labels:
            raise DataError(f"{path}: {labels[case]} is a label map of the same case. Remove one of them.")
        labels[case] = path
    return labels


def _read_manifest(path: Path) -> tuple[dict[str, Path], dict[str, int]]:
    rows = [row for row in manifest_rows(path) if row.split in ("target", "test")]
    labels = {row.case: row.labels for row in rows if row.labels is not None}
    return labels, {row.case: row.grade for row in rows if row.grade is not None}
