"""Finds and reads predictions: label maps, and tables of Koos grades."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cmda_core.errors import DataError
from cmda_core.evaluation.references import LABEL_ENDINGS, label_case
from cmda_core.evaluation.tables import PROBABILITY_COLUMNS
from cmda_core.tables import read_lines

GRADES_FILE = "predictions.csv"
"""Name of the table of predicted grades in a submission to the challenge."""


SUM_TOLERANCE = 0.02
"""Probabilities may have been rounded to two digits."""


@dataclass(frozen=True, slots=True)
class PredictedGrade:
    """The predicted Koos grade of one case.

    Attributes:
        case: Identifier of the case.
        grade: 1 to 4.
        probabilities: Of grade 1 to 4, or empty if the table has none.
    """

    case: str
    grade: int
    probabilities: tuple[float, ...]


def find_predicted_labels(folder: Path, cases: Mapping[str, Path]) -> tuple[dict[str, Path], list[str]]:
    """Find the predicted label maps in a folder, not in the folders in it.

    Args:
        folder: Holds ``<case>_Label.nii.gz`` (2021, 2022) or ``<case>.nii.gz`` (2023).
        cases: The cases that there are references of.

    Returns:
        File of each case that was predicted, and the names of predicted cases without reference.

    Raises:
        DataError: If the folder is missing.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. Name the folder that holds the predictions.")
    endings = (*LABEL_ENDINGS, ".nii.gz", ".nii")
    found = {}
    for case in cases:
        paths = [path for path in (folder / f"{case}{ending}" for ending in endings) if path.is_file()]
        if paths:
            found[case] = paths[0]
    names = {label_case(path) for path in folder.glob("[!.]*_Label.nii*")}
    return found, sorted(name for name in names if name is not None and name not in cases)


def read_predicted_grades(path: Path) -> list[PredictedGrade]:
    """Read a table with the columns ``case`` and ``class``, and ``p1`` to ``p4`` if it has them.

    Raises:
        DataError: If the file cannot be read, a grade is not 1 to 4, the probabilities of a case
            are no distribution, or a case has two rows.
    """
    grades = [
        _parse(line.cells, f"{path}: line {line.number}") for line in read_lines(path, ("case", "class"))
    ]
    seen: set[str] = set()
    for grade in grades:
        if grade.case in seen:
            raise DataError(f"{path}: case {grade.case!r} has two rows. Keep one of them.")
        seen.add(grade.case)
    return grades


def _parse(row: Mapping[str, str], where: str) -> PredictedGrade:
    if row["class"] not in {"1", "2", "3", "4"}:
        raise DataError(
            f"{where}: case {row['case']!r}: expected a Koos grade of 1 to 4, got {row['class']!r}."
        )
    values = [row.get(column, "") for column in PROBABILITY_COLUMNS]
    try:
        probabilities = tuple(float(value) for value in values) if all(values) else ()
    except ValueError:
        raise DataError(
            f"{where}: case {row['case']!r}: expected numbers in p1 to p4, got {values}."
        ) from None
    if probabilities and not _is_distribution(probabilities):
        raise DataError(
            f"{where}: case {row['case']!r}: expected p1 to p4 from 0 to 1 with a sum of 1, got {values}. "
            "Correct them, or leave them empty."
        )
    return PredictedGrade(row["case"], int(row["class"]), probabilities)


def _is_distribution(probabilities: tuple[float, ...]) -> bool:
    return all(0 <= value <= 1 for value in probabilities) and abs(sum(probabilities) - 1) <= SUM_TOLERANCE
