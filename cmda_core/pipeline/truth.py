"""Keeps the held-out reference closed while stages work that must not know it.

Cohorts do not carry the truth about the target scans, so no plugin is told where it lies. This is the
second lock: Python asks before it opens a file, and until the evaluation the answer is no.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from cmda_core.datasets import Dataset
from cmda_core.errors import HeldOutError
from cmda_core.evaluation.references import References

_CLOSED: list[tuple[frozenset[str], str]] = []


def held_out_files(reference: Path | None, dataset: Dataset, paired: Path | None = None) -> frozenset[str]:
    """Files that only the evaluation may open.

    Args:
        reference: Folder of the held-out labels and grades, or a manifest that names them.
        dataset: Its own files are left out, should they lie in the same folder.
        paired: Folder of scans that translations are compared with.
    """
    files = [path for folder in (reference, paired) if folder is not None for path in _files(folder)]
    cases = [case for cohort in dataset.cohorts for case in cohort]
    own = [path for case in cases for path in (case.image, case.labels, case.parcellation) if path]
    return _spellings(files) - _spellings(own)


def _files(place: Path) -> list[Path]:
    if place.is_dir():
        return [path for path in place.rglob("*") if path.is_file()]
    return [place, *References.find(place).labels.values()]


@contextmanager
def closed(files: frozenset[str], stage: str) -> Iterator[None]:
    """Refuse to open files for as long as the block runs, in this process.

    Args:
        files: As ``held_out_files`` gives them.
        stage: What is at work, for the message.

    Raises:
        HeldOutError: From within the block, if something in it opens one of the files.
    """
    _listen()
    entry = files, stage
    _CLOSED.append(entry)
    try:
        yield
    finally:
        _CLOSED.remove(entry)


def _spellings(paths: Iterable[Path]) -> frozenset[str]:
    return frozenset(
        spelling
        for path in paths
        for spelling in (os.path.abspath(path), os.path.realpath(path))  # noqa: PTH100  # as open() is compared
    )


@cache
def _listen() -> None:
    # An audit hook cannot be removed; while nothing is closed it does nothing.
    sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event != "open" or not _CLOSED:
        return
    path = arguments[0]
    if not isinstance(path, str | bytes | os.PathLike):
        return
    known = os.path.abspath(os.fsdecode(path))  # noqa: PTH100  # must be quick: every open() waits for it
    for files, stage in _CLOSED:
        if known in files:
            raise HeldOutError(
                f"{known}: stage {stage!r} tried to open it. It holds the truth about the target scans, "
                "which only the evaluation may know."
            )
