"""Trains MSF-Net at the size of the demo for an hour, and looks whether anything grows.

Memory, open files, threads, child processes and files on disk are counted every few seconds. After a fifth
of the time, in which caches fill, none of them may grow any more. Memory is judged by a robust trend (the
median of the slopes between all pairs of samples) over the rest.

    python tests/soak/soak.py --minutes 60
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.stats import theilslopes

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))
from slice_cohorts import unpaired

from cmda_core.pipeline import load_experiment
from cmda_core.progress import Advance
from cmda_core.registry import Registry
from cmda_core.run import Run
from cmda_core.schema import Runtime, Task, parse_settings

SHAPE = (96, 64, 24)
"""Voxels of the demo's prepared crops."""

CASES = 16
EPOCHS = 1_000_000
"""More than there is time for."""

WARM_UP = 0.2
LARGEST_GROWTH_MB = 16.0
"""Growth of the memory per hour in MiB that is taken for noise; an hour of the demo's training holds some
ten thousand steps, of which each would have to lose more than a kilobyte."""

LARGEST_SHARE = 0.02
"""In a short soak, noise may look like a trend: growth within the time that was measured, as a share of
the memory."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the process holds at a moment; of its memory only its own, not files that are mapped."""

    seconds: float
    steps: int
    memory_mb: float
    handles: int
    threads: int
    children: int
    files: int


class Meter:
    """Counts while the training tells of its steps, and interrupts it when the time is up."""

    def __init__(self, folder: Path, seconds: float, every: float) -> None:
        self.samples: list[Sample] = []
        self._folder = folder
        self._seconds = seconds
        self._every = every
        self._start = self._next = time.monotonic()
        self._steps = 0
        self._stopped = False

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Advance]:
        """Count for as long as the block runs."""
        yield self._advance

    def note(self, message: str) -> None:
        """Print what the training says."""
        print(message, file=sys.stderr)  # noqa: T201

    def _advance(self, steps: int) -> None:
        self._steps += steps
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._every
            self.samples.append(_sample(now - self._start, self._steps, self._folder))
        if now - self._start >= self._seconds and not self._stopped:
            self._stopped = True
            os.kill(os.getpid(), signal.SIGINT)


def main() -> None:
    """Soak; exit 1 if anything grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cmda-soak-") as work:
        samples = _soak(Path(work), options.minutes * 60)
    verdict = judge(samples)
    print(json.dumps({"first": asdict(samples[0]), "last": asdict(samples[-1]), **verdict}, indent=2))  # noqa: T201
    if verdict["grows"]:
        sys.exit(f"grows: {', '.join(map(str, verdict['grows']))}")


def judge(samples: list[Sample]) -> dict[str, object]:
    """What grows after the warm-up, and the trend of the memory in MiB per hour."""
    settled = [one for one in samples if one.seconds >= WARM_UP * samples[-1].seconds]
    times, memory = (np.array([getattr(one, key) for one in settled]) for key in ("seconds", "memory_mb"))
    per_hour = float(theilslopes(memory, times).slope * 3600)
    share = per_hour / 3600 * (times[-1] - times[0]) / memory.mean()
    grows = ["memory"] if per_hour > LARGEST_GROWTH_MB and share > LARGEST_SHARE else []
    for key in ("handles", "threads", "children", "files"):
        counts = [getattr(one, key) for one in settled]
        if max(counts[len(counts) // 2 :]) > max(counts[: len(counts) // 2 + 1]) + _ALLOWED.get(key, 0):
            grows.append(key)
    return {"memory_mb_per_hour": round(per_hour, 2), "samples": len(settled), "grows": grows}


_ALLOWED = {"files": 4}
"""A file may be in the making when it is counted."""


def _soak(work: Path, seconds: float) -> list[Sample]:
    plugin = Registry.installed().translator("msf-net")
    choice = load_experiment("demo").translator
    values = {**choice.settings, "epochs": EPOCHS, "save_every": 200}
    config = parse_settings(plugin.config, values, "soak")
    data = unpaired(work / "data", SHAPE, CASES)
    meter = Meter(work / "run", seconds, every=max(0.5, seconds / 600))
    run = Run(work / "run", Runtime(device="cpu", threads=1), meter)
    try:
        plugin.build(config, Task()).fit(data, run)
    except KeyboardInterrupt:
        return meter.samples
    raise RuntimeError("the training ended before its time")


def _sample(seconds: float, steps: int, folder: Path) -> Sample:
    status = Path("/proc/self/status").read_text()
    own_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))
    return Sample(
        seconds=round(seconds, 1),
        steps=steps,
        memory_mb=round(own_kb / 1024, 2),
        handles=len(list(Path("/proc/self/fd").iterdir())),
        threads=len(list(Path("/proc/self/task").iterdir())),
        children=len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()),
        files=sum(path.is_file() for path in folder.rglob("*")),
    )


if __name__ == "__main__":
    main()
