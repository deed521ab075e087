"""What the harness gives to a plugin for one stage: a folder, devices, a seed, logs, progress."""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cmda_core.files import replacing, writing
from cmda_core.parallel import each_case
from cmda_core.processes.place import Place
from cmda_core.progress import Progress, Silent
from cmda_core.schema import Runtime
from cmda_core.workers import Workers, cores

if TYPE_CHECKING:
    from lightning.fabric import Fabric

_LOG_HEADER = ("step", "key", "value")

Result = TypeVar("Result")


@dataclass
class Run:
    """The surroundings of one stage.

    Attributes:
        folder: The stage's own folder. A plugin writes nowhere else. What it finds here when
            ``fit`` is called comes from an interrupted call with the same data and settings.
        runtime: Device, precision, seed and processes.
        progress: Where to show how far the work has come.
        place: Of this process among those that share the work; alone if left out.
        workers: Who does work per case; processes of this machine if left out.
    """

    folder: Path
    runtime: Runtime = field(default_factory=Runtime)
    progress: Progress = field(default_factory=Silent)
    place: Place = field(default_factory=Place)
    workers: Workers | None = None

    def __post_init__(self) -> None:
        if self.leads:
            self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def leads(self) -> bool:
        """Whether this process writes; of several that share a training only one does."""
        return self.place.leads

    @property
    def seed(self) -> int:
        """Seed of all random choices."""
        return self.runtime.seed

    @property
    def jobs(self) -> int:
        """Processes of this machine for work per case; at least 1."""
        return cores(self.runtime.jobs)

    def each(
        self,
        work: Callable[..., Result],
        arguments: Sequence[tuple[Any, ...]],
        *,
        names: Sequence[str],
        what: str,
    ) -> Iterator[Result]:
        """Call ``work`` with each tuple of arguments, one per case, and give the results in order.

        The calls are spread over the processes, or the cluster, that the user has asked for. Their files
        must lie on a disk that all of these see.

        Args:
            work: A function at the top level of a module, or a method of what can be sent to a process.
            arguments: One tuple per case.
            names: Of the cases, for messages.
            what: Is done, in a few words, for the progress bar.

        Raises:
            ResourceError: If the system kills the process that works on a case, and again when no other
                works beside it.
        """
        workers = self.workers or Workers(jobs=self.jobs)
        return each_case(work, arguments, names=names, jobs=workers, what=what, progress=self.progress)

    @cached_property
    def fabric(self) -> Fabric:
        """Lightning Fabric, launched on the run's device; torch's threads and algorithms are as asked for."""
        # Libraries that are imported here for the first time draw from Python's generator: what was
        # seeded before must not depend on whether this is the first training of the process.
        state = random.getstate()
        from cmda_core.processes.group import placed_fabric

        fabric = placed_fabric(self.runtime, self.place)
        random.setstate(state)
        return fabric

    @property
    def checkpoint(self) -> Path:
        """Where `cmda_core.training.train` keeps its state."""
        return self.folder / "checkpoint.safetensors"

    def sub(self, name: str) -> Run:
        """A run in a folder of this one, on the same device: a phase with checkpoint and log of its own."""
        run = Run(self.folder / name, self.runtime, self.progress, self.place, self.workers)
        run.__dict__["fabric"] = self.fabric  # launched once per process; fills the cached property
        return run

    def log(self, step: int, values: Mapping[str, float], name: str = "training") -> None:
        """Append scalars to ``<name>.csv``: one ``step,key,value`` row each.

        Raises:
            OutputError: If the file cannot be written.
        """
        if not self.leads:
            return
        path = self._log(name)
        with writing(path), path.open("a", newline="", encoding="utf-8") as stream:
            rows = csv.writer(stream, lineterminator="\n")
            if not stream.tell():
                rows.writerow(_LOG_HEADER)
            rows.writerows([step, key, repr(float(value))] for key, value in values.items())

    def rewind_log(self, step: int, name: str = "training") -> None:
        """Drop what was logged after ``step``: an interrupted training does those steps again.

        Raises:
            OutputError: If the file cannot be written.
        """
        path = self._log(name)
        if not self.leads or not path.exists():
            return
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        kept = [line for line in lines[1:] if line.endswith("\n") and _step_of(line) <= step]
        with replacing(path) as temporary:
            temporary.write_text(",".join(_LOG_HEADER) + "\n" + "".join(kept), encoding="utf-8")

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.csv"

    def picture(self, name: str, pixels: NDArray[np.uint8]) -> None:
        """Save a picture as ``pictures/<name>.png``.

        Args:
            name: File name without ending.
            pixels: Grey ``(H, W)`` or colour ``(H, W, 3)``, uint8.
        """
        if not self.leads:
            return
        from PIL import Image

        with replacing(self.folder / "pictures" / f"{name}.png") as temporary:
            Image.fromarray(pixels).save(temporary)


def _step_of(line: str) -> float:
    """The step of a line; infinite where a crash or a failing disk left none to be read."""
    number = line.split(",", 1)[0]
    return int(number) if number.isdecimal() else math.inf
