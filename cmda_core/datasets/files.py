"""Walks through the files of a dataset."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

HELD_OUT = "reference"
"""Folders with this word in their name hold what only the evaluation may read."""


def walk(root: Path) -> Iterator[Path]:
    """All files below a folder but hidden ones, in no particular order.

    Pipes and devices are passed over: to read one may take for ever. Links that lead nowhere are not, so
    that a file that is missing is told.
    """
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (
            path for name in names if not name.startswith(".") and not _is_special(path := Path(folder, name))
        )


def _is_special(path: Path) -> bool:
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def named(root: Path, pattern: str) -> list[Path]:
    """Files below a folder whose name fits a pattern such as ``infos*.csv``, in order of their paths.

    Hidden ones are left out: they are what a process is just writing, or what macOS leaves beside files.
    """
    return sorted(path for path in walk(root) if fnmatchcase(path.name, pattern))


def scans_below(root: Path) -> list[Path]:
    """NIfTI files outside of held-out folders, case 2 before case 10."""
    found = (path for path in walk(root) if path.name.endswith((".nii", ".nii.gz")))
    return sorted((path for path in found if not is_held_out(path.relative_to(root))), key=natural_order)


def is_held_out(path: Path) -> bool:
    """Whether a file, named relative to its dataset, is for the evaluation only."""
    return any(HELD_OUT in folder.lower() for folder in path.parts[:-1])


def natural_order(path: Path) -> tuple[list[str | int], str]:
    """Sorts numbers in names by their value."""
    return natural_key(path.name), str(path)


def natural_key(name: str) -> list[str | int]:
    """Text and numbers of a name in turn."""
    parts = re.split(r"(\d+)", name)
    return [int(part) if index % 2 else part for index, part in enumerate(parts)]
