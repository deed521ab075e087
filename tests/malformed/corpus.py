"""What a malformed input is: how it is made, what reads it, and what its message must name."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """What is at hand where a malformed input is made.

    Attributes:
        folder: For the input and for what is written.
        dataset: A small dataset that is in order; to be copied, not changed.
        run: A finished run of the toy plugins.
        bundle: The same run, exported as a folder.
        dicom: A DICOM collection that is in order.
        experiment: An experiment with toys that is in order.
    """

    folder: Path
    dataset: Path
    run: Path
    bundle: Path
    dicom: Path
    experiment: Path

    @property
    def out(self) -> Path:
        """Where results would go."""
        return self.folder / "out"

    def check(self, root: Path) -> list[object]:
        """The command that looks through a dataset."""
        return ["data", "check", root, "--experiment", self.experiment]

    def copy(self, what: Path, name: str = "input") -> Path:
        """A copy to be damaged."""
        copied = self.folder / name
        shutil.copytree(what, copied, symlinks=True)
        return copied


Command = list[object]


@dataclass(frozen=True)
class Malformed:
    """One malformed input.

    Attributes:
        name: Unique within its family.
        make: Writes it and returns the command that reads it.
        words: What the message must hold: file, field.
        code: Exit status.
    """

    name: str
    make: Callable[[Place], Command]
    words: tuple[str, ...]
    code: int = 1

    def __str__(self) -> str:
        return self.name
