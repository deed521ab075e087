"""What a piece of work leaves behind: files that it wrote or read, and changes to the process."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CREATING = {"os.mkdir": 0, "os.rename": 1, "os.link": 1, "os.symlink": 1}
"""Position of the new path among the arguments of an audit event."""

_CACHES = ("__pycache__", "matplotlib", "fontconfig")
"""Folders in which Python and libraries keep what only saves time."""


@dataclass
class Traces:
    """What was seen; complete after the block of ``watched``.

    Attributes:
        written: Files and folders that were opened for writing, made or renamed.
        read: Files that were opened for reading.
        printed: What was printed on stdout.
        changed: What is different in the process, one phrase each.
    """

    written: set[Path] = field(default_factory=set)
    read: set[Path] = field(default_factory=set)
    printed: str = ""
    changed: list[str] = field(default_factory=list)

    def written_outside(self, folder: Path) -> list[Path]:
        """What was written elsewhere than in ``folder`` and is still there, but for caches."""
        return sorted(
            path
            for path in self.written
            if not path.is_relative_to(folder) and path.is_file() and not set(path.parts) & set(_CACHES)
        )


@contextmanager
def watched(folder: Path) -> Iterator[Traces]:
    """Watch what the block does.

    Args:
        folder: New files anywhere in it are seen even if a library writes them from C.
    """
    _listen()
    traces, before, process = Traces(), _files(folder), _process()
    output = io.StringIO()
    _WATCHING.append(traces)
    try:
        with redirect_stdout(output):
            yield traces
    finally:
        _WATCHING.remove(traces)
    traces.printed = output.getvalue()
    after = _files(folder)
    traces.written |= {path for path, state in after.items() if before.get(path) != state}
    now = _process()
    # Not what is new: libraries set variables of their own as they are imported.
    traces.changed = [f"{key} {now.get(key)!r}" for key in process if now.get(key) != process[key]]


_WATCHING: list[Traces] = []


@cache
def _listen() -> None:
    # An audit hook sees every open() of Python, wherever it leads. It cannot be removed; without
    # anybody watching it does nothing.
    sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if not _WATCHING:
        return
    if event == "open":
        path, mode, flags = arguments
        writing = isinstance(flags, int) and bool(flags & _WRITING)
        if isinstance(mode, str):
            writing = bool(set(mode) & set("wax+"))
        _note(path, writing)
    elif event in _CREATING:
        _note(arguments[_CREATING[event]], True)


def _note(path: object, writing: bool) -> None:
    if not isinstance(path, str | bytes | os.PathLike):
        return
    known = Path(os.fsdecode(path)).absolute()
    for traces in _WATCHING:
        (traces.written if writing else traces.read).add(known)


def _files(folder: Path) -> dict[Path, tuple[int, int]]:
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            state = path.stat()
            found[path] = state.st_size, state.st_mtime_ns
    return found


def _process() -> dict[str, object]:
    facts: dict[str, object] = {f"environment variable {key} =": value for key, value in os.environ.items()}
    facts["working directory"] = os.getcwd()  # noqa: PTH109  # as a string, whatever it is
    if torch := sys.modules.get("torch"):
        facts["torch's default type"] = str(torch.get_default_dtype())
        facts["torch's gradients"] = torch.is_grad_enabled()
    return facts
