"""Which files a run leaves, whether each is whole, and what may differ between two runs."""

from __future__ import annotations

import csv
import gzip
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

GROWING = ("journal.jsonl", "journal.1.jsonl", "nnunet.log", "nnunet.1.log")
"""Logs: lines are added to them, and the times in them differ."""

TIMED = ("index.html",)
"""The report tells what each stage took."""

LOGGED = ("step,key,value\n",)
"""First line of the scalar logs, which grow too, but end with the same bytes."""


def final_files(folder: Path) -> Iterator[Path]:
    """Files under their final names: hidden ones are being written, or lock the folder."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in names if not name.startswith("."))


def contents(folder: Path) -> dict[str, bytes]:
    """What must be equal in two runs of one experiment: every file but those of the times.

    The mark of a stage is compared without its seconds and its memory.
    """
    found = {}
    for path in final_files(folder):
        if path.name in GROWING + TIMED:
            continue
        content = path.read_bytes()
        if path.name == "stage.json":
            mark = json.loads(content)
            for measured in ("seconds", "peak_mb"):
                mark.pop(measured, None)
            content = json.dumps(mark).encode()
        found[path.relative_to(folder).as_posix()] = content
    return found


def differences(one: Path, other: Path) -> list[str]:
    """Names of the files that only one of two runs has, or that differ."""
    first, second = contents(one), contents(other)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


class Inspector:
    """Opens every file of a folder that is new or has changed since it last looked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[Path, tuple[int, int, int]] = {}
        self.opened = 0

    def broken(self) -> list[str]:
        """Final files that cannot be read to their end."""
        found = []
        for path in final_files(self._folder):
            try:
                before = _state(path)
                if self._seen.get(path) == before:
                    continue
                problem = _problem(path)
                if problem and _state(path) == before:
                    found.append(f"{path}: {problem}")
            except FileNotFoundError:  # replaced or removed while we looked
                continue
            self._seen[path] = before
            self.opened += 1
        return found


def watch(folder: Path, until: Callable[[], bool], report: Path) -> None:
    """Look at a folder again and again while others work in it, and write down what is broken."""
    inspector = Inspector(folder)
    found: list[str] = []
    while not until():
        found += inspector.broken()
        time.sleep(0.05)
    report.write_text(json.dumps({"broken": found, "opened": inspector.opened}), encoding="utf-8")


def _state(path: Path) -> tuple[int, int, int]:
    facts = path.stat()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def _problem(path: Path) -> str | None:
    reader = _READERS.get("".join(path.suffixes[-2:])) or _READERS.get(path.suffix)
    if path.name in GROWING:
        return None
    if reader is None:
        return "is of a kind that nobody knows"
    try:
        reader(path)
    except FileNotFoundError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever a reader says of a broken file
        return f"{type(error).__name__}: {error}"
    return None


def _nifti(path: Path) -> None:
    import nibabel
    import numpy as np

    np.asarray(nibabel.load(path).dataobj)
    if path.suffix == ".gz":
        with gzip.open(path) as stream:
            while stream.read(1 << 20):
                pass


def _safetensors(path: Path) -> None:
    from safetensors.torch import load

    load(path.read_bytes())


def _json(path: Path) -> None:
    json.loads(path.read_text(encoding="utf-8"))


def _yaml(path: Path) -> None:
    import yaml

    if not isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict):
        raise ValueError("is empty")


def _table(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if text.startswith(LOGGED) or LOGGED[0].startswith(text):
        return
    rows = list(csv.reader(text.splitlines()))
    if not text.endswith("\n") or len({len(row) for row in rows}) != 1:
        raise ValueError("ends within a row")


def _picture(path: Path) -> None:
    from PIL import Image

    with Image.open(path) as picture:
        picture.load()


def _array(path: Path) -> None:
    import numpy as np

    loaded = np.load(path, allow_pickle=False)
    if path.suffix == ".npz":
        for name in loaded.files:
            loaded[name]


def _page(path: Path) -> None:
    if not path.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        raise ValueError("ends early")


def _code(path: Path) -> None:
    if not path.read_text(encoding="utf-8").rstrip().endswith((";", "}")):
        raise ValueError("ends early")


_READERS: dict[str, Callable[[Path], None]] = {
    ".nii": _nifti,
    ".nii.gz": _nifti,
    ".safetensors": _safetensors,
    ".json": _json,
    ".yaml": _yaml,
    ".csv": _table,
    ".png": _picture,
    ".jpg": _picture,
    ".js": _code,
    ".css": _code,
    ".npy": _array,
    ".npz": _array,
    ".html": _page,
}
