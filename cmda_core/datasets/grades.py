"""Reads Koos grades from the tables that come with crossMoDA."""

from __future__ import annotations

from pathlib import Path

from cmda_core.errors import DataError
from cmda_core.tables import read_rows

CASE_COLUMN = "crossmoda_name"
GRADE_COLUMN = "koos"
_GRADES = {"1": 1, "2": 2, "3": 3, "4": 4}


def parse_grade(text: str) -> int | None:
    """Koos grade in a cell of a table, if it holds one.

    Whatever is not a grade of 1 to 4, such as ``post-operative-london``, ``-1``, ``null``, ``NaN``
    or nothing, means that there is none.
    """
    # Tables that went through pandas hold "2.0" once a grade is missing elsewhere.
    return _GRADES.get(text.strip().removesuffix(".0"))


def read_grades(path: Path) -> dict[str, int]:
    """Koos grade of each case in an ``infos_*.csv`` table that has one.

    Columns are found by name; derived copies with another order of columns, a byte order mark or
    Windows line ends are read alike.

    Raises:
        DataError: If the file cannot be read, lacks a column, or gives one case two grades.
    """
    grades: dict[str, int] = {}
    for row in read_rows(path, (CASE_COLUMN, GRADE_COLUMN)):
        case, grade = row[CASE_COLUMN], parse_grade(row[GRADE_COLUMN])
        if grade is None:
            continue
        if grades.setdefault(case, grade) != grade:
            raise DataError(
                f"{path}: case {case} has the grades {grades[case]} and {grade}. Keep one of them."
            )
    return grades
