"""Finished stages that several runs share: computed by one of them, taken over by the others.

A stage's fingerprint tells all that its result depends on. Runs keep folders of their own, whose
files are hard links to one copy: a finished stage is never written to again, only replaced.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from cmda_core.files import replacing_folder, writing
from cmda_core.pipeline.folder import read_mark
from cmda_core.progress import Progress


class StageStore:
    """Finished stages by fingerprint.

    Args:
        root: Made when it is first written to; on a disk that all workers see.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def claimed(self, key: str, fingerprint: str, progress: Progress) -> Iterator[None]:
        """Keep others from computing the same stage; waits while another worker does.

        The lock goes with its process, however that ends.
        """
        place = self._place(key, fingerprint)
        with writing(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(place.with_name(f".{place.name}.lock"), poll_interval=0.5)
            if not _at_once(lock):
                progress.note(f"{key}: waiting for a run that computes the same")
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def fetch(self, key: str, fingerprint: str, folder: Path) -> bool:
        """Put a finished stage at ``folder``, in place of what is there.

        Returns:
            Whether there was one.

        Raises:
            OutputError: If the folder cannot be written.
        """
        place = self._place(key, fingerprint)
        if not _finished(place, fingerprint):
            return False
        if folder.exists():
            shutil.rmtree(folder)
        _link(place, folder)
        return True

    def keep(self, key: str, fingerprint: str, folder: Path) -> None:
        """Take a finished stage for others.

        Raises:
            OutputError: If the store cannot be written.
        """
        place = self._place(key, fingerprint)
        if _finished(place, fingerprint):
            return
        for leftover in place.parent.glob(f".*.{place.name}"):  # of a worker that was killed
            shutil.rmtree(leftover, ignore_errors=True)
        if place.exists():
            shutil.rmtree(place)
        _link(folder, place)

    def _place(self, key: str, fingerprint: str) -> Path:
        return self._root / key.replace(":", "-") / fingerprint[:20]


def _at_once(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True


def _finished(folder: Path, fingerprint: str) -> bool:
    mark = read_mark(folder)
    return mark.get("fingerprint") == fingerprint and bool(mark.get("finished"))


def _link(source: Path, target: Path) -> None:
    with replacing_folder(target) as temporary:
        shutil.copytree(source, temporary, copy_function=_link_file, dirs_exist_ok=True)


def _link_file(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        shutil.copy2(source, target)
    return target
