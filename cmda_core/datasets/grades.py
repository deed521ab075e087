"""Reads Koos grades from the tables that come with crossMoDA."""

from __future__ import annotations

import csv
from pathlib import Path

from cmda_core.errors import DataError

CASE_COLUMN = "crossmoda_name"
GRADE_COLUMN = "koos"
_GRADES = {"1": 1, "2": 2, "3": 3, "4": 4}


def read_grades(path: Path) -> dict[str, int]:
    """Koos grade of each case in an ``infos_*.csv`` table that has one.

    Whatever is not a grade of 1 to 4 there, such as ``post-operative-london``, ``-1``, ``null``,
    ``NaN`` or nothing, means that the case has no grade. Columns are found by name; derived copies
    with another order of columns, a byte order mark or Windows line ends are read alike.

    Raises:
        DataError: If the file cannot be read, lacks a column, or gives one case two grades.
    """
    grades: dict[str, int] = {}
    for row in _rows(path):
        case = (row[CASE_COLUMN] or "").strip()
        # Tables that went through pandas hold "2.0" once a grade is missing elsewhere.
        grade = _GRADES.get((row[GRADE_COLUMN] or "").strip().removesuffix(".0"))
        if grade is None:
            continue
        if grades.setdefault(case, grade) != grade:
            raise DataError(
                f"{path}: case {case} has the grades {grades[case]} and {grade}. Keep one of them."
            )
    return grades


def _rows(path: Path) -> list[dict[str, str | None]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, skipinitialspace=True)
            names = [name.strip() for name in reader.fieldnames or []]
            reader.fieldnames = names
            rows = list(reader)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: is not a CSV file in UTF-8 ({error}).") from error
    missing = [column for column in (CASE_COLUMN, GRADE_COLUMN) if column not in names]
    if missing:
        raise DataError(
            f"{path}: expected the columns {CASE_COLUMN} and {GRADE_COLUMN}, got "
            f"{', '.join(names) or 'none'}."
        )
    return rows
