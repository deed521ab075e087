"""Reads CSV tables as people have them: any order of columns, any line ends."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cmda_core.errors import DataError

LARGEST_TABLE = 64 * 2**20
"""Bytes; a row per voxel is no table."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table.

    Attributes:
        number: Line of the file that it ends in, from 1.
        cells: By the name of their column.
    """

    number: int
    cells: Mapping[str, str]


def read_rows(path: Path, columns: tuple[str, ...], *, delimiter: str = ",") -> list[dict[str, str]]:
    """Read a table by the names of its columns, without the numbers of lines; see ``read_lines``.

    Raises:
        DataError: If the file cannot be read or lacks a column.
    """
    return [dict(line.cells) for line in read_lines(path, columns, delimiter=delimiter)]


def read_lines(path: Path, columns: tuple[str, ...], *, delimiter: str = ",") -> list[Line]:
    """Read a table by the names of its columns.

    Args:
        path: UTF-8, with or without byte order mark, with any line ending.
        columns: Columns that it must have, in any order.
        delimiter: Between two cells.

    Returns:
        One line per row that is not empty, without blanks around names and values; cells that a short
        row lacks are empty.

    Raises:
        DataError: If the file cannot be read, lacks a column, has two columns of one name, or has a row
            that does not fit under them.
    """
    try:
        if path.exists() and not path.is_file():
            raise DataError(f"{path}: is not a file. Name a CSV table.")
        if path.stat().st_size > LARGEST_TABLE:
            raise DataError(f"{path}: is larger than {LARGEST_TABLE // 2**20} MiB. Is it a table?")
        with path.open(newline="", encoding="utf-8-sig") as stream:
            # Strict: a quotation mark that is never closed would swallow all rows after it in silence.
            reader = csv.reader(stream, skipinitialspace=True, delimiter=delimiter, strict=True)
            names = [name.strip() for name in next(reader, [])]
            _check_names(names, columns, path, delimiter)
            return [_line(row, names, reader.line_num, path) for row in reader if any(map(str.strip, row))]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not a CSV file in UTF-8 ({error}). Save it again as UTF-8.") from error
    except csv.Error as error:
        raise DataError(
            f"{path}: line {reader.line_num}: is not CSV ({error}). Is a quotation mark missing, or is it a "
            f"file whose cells are separated by something else than {delimiter!r}?"
        ) from error


def _check_names(names: Sequence[str], columns: Sequence[str], path: Path, delimiter: str) -> None:
    missing = [column for column in columns if column not in names]
    if missing:
        wanted, got = ", ".join(columns), ", ".join(names)[:200] or "none"
        other = next(
            (sign for sign in ",;\t" if sign != delimiter and len(names) == 1 and sign in names[0]), None
        )
        hint = f" Separate the cells by {delimiter!r}, not by {other!r}." if other else ""
        raise DataError(f"{path}: expected the columns {wanted}, got {got}.{hint}")
    twice = [name for name in names if name and names.count(name) > 1]
    if twice:
        raise DataError(f"{path}: two columns are named {twice[0]!r}. Keep one of them.")


def _line(row: Sequence[str], names: Sequence[str], number: int, path: Path) -> Line:
    more = [cell for cell in row[len(names) :] if cell.strip()]
    if more:
        raise DataError(
            f"{path}: line {number}: has {len(row)} cells, but there are {len(names)} columns. Put quotation "
            "marks around a cell with a separator in it."
        )
    cells = {name: cell.strip() for name, cell in zip(names, row, strict=False) if name}
    return Line(number, {name: cells.get(name, "") for name in names if name})
