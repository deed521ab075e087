"""Reads Koos grades from the tables that come with crossMoDA."""

from __future__ import annotations

from pathlib import Path

from cmda_core.errors import DataError
from cmda_core.tables import read_lines

CASE_COLUMN = "crossmoda_name"
GRADE_COLUMN = "koos"
_GRADES = {"1": 1, "2": 2, "3": 3, "4": 4}


_NONE = {"-1", "nan"}


def parse_grade(text: str, where: str) -> int | None:
    """Koos grade in a cell of a table, if it holds one.

    Words, such as ``post-operative-london`` or ``null``, ``-1``, ``NaN`` and nothing mean that there is
    none. Any other number is a mistake, and not taken for a missing grade.

    Args:
        text: Of the cell.
        where: File and line, to begin a message with.

    Raises:
        DataError: If it is another number than 1 to 4.
    """
    # Tables that went through pandas hold "2.0" once a grade is missing elsewhere.
    plain = text.strip().lower().removesuffix(".0")
    if plain in _GRADES or plain in _NONE or not _is_number(plain):
        return _GRADES.get(plain)
    raise DataError(
        f"{where}: expected a Koos grade of 1 to 4, got {text!r}. Leave the cell empty if there is none."
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_grades(path: Path) -> dict[str, int]:
    """Koos grade of each case in an ``infos_*.csv`` table that has one.

    Columns are found by name; derived copies with another order of columns, a byte order mark or
    Windows line ends are read alike.

    Raises:
        DataError: If the file cannot be read, lacks a column, holds a number that is no grade, or gives
            one case two grades.
    """
    grades: dict[str, int] = {}
    for line in read_lines(path, (CASE_COLUMN, GRADE_COLUMN)):
        where = f"{path}: line {line.number}: {GRADE_COLUMN}"
        case, grade = line.cells[CASE_COLUMN], parse_grade(line.cells[GRADE_COLUMN], where)
        if grade is None:
            continue
        if grades.setdefault(case, grade) != grade:
            raise DataError(
                f"{path}: case {case} has the grades {grades[case]} and {grade}. Keep one of them."
            )
    return grades
