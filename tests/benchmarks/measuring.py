"""What the benchmarks share: interleaved timing, tables, and files with the results."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

Work = Callable[[], object]
Clock = Callable[[], float]

CLOCKS: Mapping[str, Clock] = {"wall": time.perf_counter, "cpu": time.process_time}
"""``cpu``: seconds that the process computed; for one thread on a machine that is busy otherwise."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of docs/benchmarks.md."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """The table with its title above it."""
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"**{self.title}**\n\n{body}\n"


def interleaved(
    works: Mapping[str, Work], repeats: int, *, warm: bool = True, clock: Clock = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of each work, in turns, so that a busy moment of the machine hits all of them alike.

    Args:
        works: What to time, by name.
        repeats: Turns.
        warm: Do each once before, untimed.
        clock: What tells the seconds.
    """
    if warm:
        for work in works.values():
            work()
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            start = clock()
            work()
            seconds[name].append(clock() - start)
    return seconds


def medians(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The median of each work's seconds."""
    return {name: median(values) for name, values in seconds.items()}


def ratio(seconds: Mapping[str, Sequence[float]], one: str, other: str) -> float:
    """Median over the turns of the time of one work as a share of another's in the same turn."""
    return median(a / b for a, b in zip(seconds[one], seconds[other], strict=True))


def machine() -> str:
    """Processor, cores and operating system."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        name = names[0] if names else name
    return f"{name}, {os.cpu_count()} cores, {platform.system()}"


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The options that all benchmarks have."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes and few repeats: a smoke test")
    parser.add_argument("--repeats", type=int, help="turns; more on a busy machine")
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall", help="cpu: for a busy machine")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    return parser


def finish(options: argparse.Namespace, tables: Iterable[Table]) -> None:
    """Print each table as soon as there is one, and write all to a file if asked for."""
    shown = []
    for table in tables:
        print(table.markdown(), flush=True)  # the result
        shown.append(asdict(table))
    if options.json:
        content = {
            "command": " ".join(["python", "-m", Path(sys.argv[0]).stem, *sys.argv[1:]]),
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "machine": machine(),
            "load": os.getloadavg(),
            "tables": shown,
        }
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(content, indent=1), encoding="utf-8")


def in_own_process(module: str, *words: str) -> dict[str, float]:
    """Run a benchmark's module with other options and read the JSON of its last line.

    Peak memory can only be told of a process as a whole.
    """
    done = subprocess.run(  # our own script
        [sys.executable, "-m", module, *words], check=True, capture_output=True, text=True
    )
    values: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return values


def peak_mb() -> float:
    """The most memory that this process has held, in MB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
