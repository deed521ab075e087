"""The run folder: where everything lies, who works in it, and which stages are done."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from filelock import FileLock, Timeout

from cmda_core.errors import DataError, NotTrainedError, RunError
from cmda_core.files import not_written, real_path, remove_leftovers, write_json, writing
from cmda_core.registry import Kind

MODEL = "model"
"""Folder, within a stage's, that the fitted plugin is saved to."""

MARK = "stage.json"
"""File, within a stage's folder, that tells whether the stage is done."""

_STAGE_OF: Mapping[Kind, str] = {
    "preprocessor": "prepared",
    "translator": "translator",
    "segmenter": "segmenter",
    "grader": "grader",
}


class WorkFolder:
    """A folder that work goes on in: whose it is, and its lock.

    Args:
        root: The folder; it is made by ``create`` and need not exist before.

    Raises:
        DataError: If a symbolic link on the way to it leads to itself.

    Attributes:
        mark: Name of the file that tells such a folder from others.
        noun: What it is called in messages.
    """

    mark: ClassVar[str]
    noun: ClassVar[str]

    def __init__(self, root: Path) -> None:
        self.root = real_path(root)

    def create(self) -> None:
        """Make the folder, or take one that was made before.

        Raises:
            RunError: If the folder holds something else.
            OutputError: If it cannot be made.
        """
        try:
            str(self.root).encode()
        except UnicodeEncodeError as error:  # safetensors, for one, cannot write there
            raise RunError(
                f"{self.root}: the name is not valid UTF-8. Choose another folder for the {self.noun}."
            ) from error
        if self.root.is_file():
            raise RunError(f"{self.root}: is a file. Choose a folder for the {self.noun}.")
        if self.root.is_dir() and not (self.root / self.mark).exists():
            foreign = sorted(path.name for path in self.root.iterdir() if not _harmless(path))
            if foreign:
                raise RunError(
                    f"{self.root}: is not a {self.noun}, and not empty (it holds {foreign[0]!r}). "
                    "Choose another folder."
                )
        with writing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process out. The lock goes with the process, however it ends.

        Raises:
            RunError: If another process works in the folder.
            OutputError: If the folder cannot be written to.
        """
        lock = FileLock(self.root / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RunError(
                f"{self.root}: another process is working in this {self.noun}. Wait for it, or choose "
                "another folder."
            ) from None
        except OSError as error:
            raise not_written(self.root, error) from error
        try:
            yield
        finally:
            lock.release()


class RunFolder(WorkFolder):
    """Paths of a run, its lock, and the marks of its stages."""

    mark = "experiment.yaml"
    noun = "run"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process out, and remove what killed ones were writing."""
        with super().locked():
            remove_leftovers(self.root)
            yield

    @property
    def experiment(self) -> Path:
        """The resolved experiment."""
        return self.root / self.mark

    def stage(self, name: str, entry: str | None = None) -> Path:
        """Folder of a stage, or of one of its entries."""
        return self.root / name / entry if entry else self.root / name

    def model(self, kind: Kind, entry: str | None = None) -> Path:
        """Folder that a fitted plugin was saved to; see `cmda_core.pipeline.chain.Models`.

        Raises:
            NotTrainedError: If there is none.
        """
        path = self.stage(_STAGE_OF[kind], entry) / MODEL
        if not path.is_dir():
            raise NotTrainedError(
                f"{self.root}: the run has no trained {kind} yet. Finish it with 'cmda run' first."
            )
        return path

    @classmethod
    def existing(cls, root: Path) -> RunFolder:
        """A folder that a run made before.

        Raises:
            RunError: If it is none.
        """
        folder = cls(root)
        if not folder.experiment.is_file():
            raise RunError(f"{root}: is not a run folder (it has no experiment.yaml).")
        return folder


class StageMark:
    """Tells what a stage's folder was made from, and whether the stage finished.

    Args:
        folder: The stage's folder.
        fingerprint: Of all that the stage's result depends on.
        facts: The part of it that other programs look at, to be kept in words.
    """

    def __init__(self, folder: Path, fingerprint: str, facts: Mapping[str, object] | None = None) -> None:
        self._folder = folder
        self._fingerprint = fingerprint
        self._facts = dict(facts or {})

    @property
    def fingerprint(self) -> str:
        """Of all that the stage's result depends on."""
        return self._fingerprint

    @property
    def finished(self) -> bool:
        """True if the stage finished with the same fingerprint."""
        mark = read_mark(self._folder)
        return mark.get("fingerprint") == self._fingerprint and bool(mark.get("finished"))

    @property
    def seconds(self) -> float:
        """What the finished stage took, over all its attempts."""
        return float(read_mark(self._folder).get("seconds", 0.0))

    @property
    def peak_mb(self) -> float | None:
        """Largest resident memory of the attempt that finished, in MiB, if it was measured."""
        peak = read_mark(self._folder).get("peak_mb")
        return None if peak is None else float(peak)

    def begin(self, *, fresh: bool) -> None:
        """Keep what an interrupted attempt left, unless it was made from other inputs."""
        if fresh or read_mark(self._folder).get("fingerprint") != self._fingerprint:
            if self._folder.exists():
                # The mark goes first: a half-deleted folder must not look finished.
                with writing(self._folder):
                    (self._folder / MARK).unlink(missing_ok=True)
                    shutil.rmtree(self._folder)
            self._write(finished=False, seconds=0.0)

    def pause(self, seconds: float) -> None:
        """Remember how long an attempt took that did not finish."""
        if self._folder.is_dir():
            self._write(finished=False, seconds=self.seconds + seconds)

    def finish(self, seconds: float, peak_mb: float | None = None) -> None:
        """Remember that the stage is done, and what it took."""
        self._write(finished=True, seconds=self.seconds + seconds, peak_mb=peak_mb)

    def _write(self, *, finished: bool, seconds: float, peak_mb: float | None = None) -> None:
        write_json(
            self._folder / MARK,
            {
                "fingerprint": self._fingerprint,
                "finished": finished,
                "seconds": round(seconds, 3),
                **({} if peak_mb is None else {"peak_mb": peak_mb}),
                **self._facts,
            },
        )


def read_mark(stage: Path) -> dict[str, Any]:
    """What a stage's mark says; empty if there is none."""
    try:
        content = json.loads((stage / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def unfinish(stage: Path) -> None:
    """Forget that a stage is done; what it made is not used again."""
    (stage / MARK).unlink(missing_ok=True)


def fingerprint(content: Mapping[str, object]) -> str:
    """SHA-256 of JSON-like content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def file_facts(paths: list[Path]) -> list[tuple[str, int, int]]:
    """Name, size and time of change of files, to notice when data change.

    Raises:
        DataError: If a file has vanished.
    """
    try:
        return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror}).") from error


def _harmless(path: Path) -> bool:
    return path.name.startswith(".")
