"""Reads CSV tables as people have them: any order of columns, any line ends."""

from __future__ import annotations

import csv
from pathlib import Path

from cmda_core.errors import DataError


def read_rows(path: Path, columns: tuple[str, ...], *, delimiter: str = ",") -> list[dict[str, str]]:
    """Read a table by the names of its columns.

    Args:
        path: UTF-8, with or without byte order mark, with any line ending.
        columns: Columns that it must have, in any order.
        delimiter: Between two cells.

    Returns:
        One mapping per row, without blanks around names and values; cells that a short row lacks
        are empty.

    Raises:
        DataError: If the file cannot be read or lacks a column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, skipinitialspace=True, delimiter=delimiter)
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
