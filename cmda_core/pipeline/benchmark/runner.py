"""Runs a benchmark: its data, every entry with every seed, and the comparison."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cmda_core.datasets.phantom import write_phantom
from cmda_core.evaluation.comparison import Comparison
from cmda_core.files import write_json, write_text
from cmda_core.pipeline.benchmark.files import dump_benchmark
from cmda_core.pipeline.benchmark.runs import DATA, SHARED, Outcome, do_run, plan_runs
from cmda_core.pipeline.benchmark.tables import compare_runs
from cmda_core.pipeline.folder import WorkFolder
from cmda_core.progress import Progress
from cmda_core.registry import Registry
from cmda_core.reporting.comparison import ComparedRun, write_comparison_report, write_tables
from cmda_core.schema.benchmark import Benchmark, PhantomData
from cmda_core.workers import Backend, opened_workers


class BenchmarkFolder(WorkFolder):
    """Where a benchmark works."""

    mark = "benchmark.yaml"
    noun = "benchmark"


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """What a benchmark came to.

    Attributes:
        folder: With the tables, the report, and the runs in ``runs/<entry>/seed-<n>``.
        comparison: The statistics.
        outcomes: Of every run, in the order of the benchmark.
    """

    folder: Path
    comparison: Comparison
    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Runs without scores."""
        return tuple(one for one in self.outcomes if one.failure is not None)


def run_benchmark(
    benchmark: Benchmark,
    out: Path,
    *,
    progress: Progress,
    registry: Callable[[], Registry] = Registry.installed,
    overrides: Sequence[str] = (),
    jobs: int = 1,
    backend: Backend = "loky",
    address: str | None = None,
) -> BenchmarkResult:
    """Run every entry with every seed, and compare them.

    What runs share is computed once. Called again, it goes on: a finished run is skipped, an
    interrupted one goes on from its last checkpoint, a failed one is tried again.

    Args:
        benchmark: What to compare.
        out: Its folder; on a disk that all workers see.
        progress: Where to show how far the work has come.
        registry: Finds the plugins, in every process that works; a function of a module.
        overrides: ``a.b=c`` changes to the experiment of every entry.
        jobs: Runs at a time.
        backend: Where they work.
        address: Of a Dask or Ray cluster.

    Raises:
        CmdaError: If a setting of any entry, or the folder, cannot be used. All of that is found out
            before the first run. A run that fails later does not raise; see ``outcomes``.
    """
    folder = BenchmarkFolder(out)
    runs = plan_runs(benchmark, folder.root, registry(), overrides)
    folder.create()
    with folder.locked(), opened_workers(backend, jobs=jobs, address=address) as workers:
        write_text(folder.root / folder.mark, dump_benchmark(benchmark))
        if benchmark.phantom is not None:
            _make_phantom(benchmark.phantom, folder.root / DATA, jobs, progress)
        shown = progress if workers.here else None
        arguments = [(run, folder.root / SHARED, registry, shown) for run in runs]
        found: dict[tuple[str, int], Outcome] = {}
        with progress.task(f"{benchmark.name}: runs", len(runs)) as advance:
            for outcome in workers.each(do_run, arguments, ordered=False):
                found[outcome.entry, outcome.seed] = outcome
                progress.note(_line(outcome, len(found), len(runs)))
                advance(1)
        outcomes = tuple(found[run.entry, run.seed] for run in runs)
        write_json(folder.root / "runs.json", [_record(one, folder.root) for one in outcomes])
        comparison = _compare(benchmark, outcomes, folder.root, progress)
    return BenchmarkResult(folder.root, comparison, outcomes)


def _compare(benchmark: Benchmark, outcomes: Sequence[Outcome], out: Path, progress: Progress) -> Comparison:
    comparison, scores = compare_runs(benchmark, outcomes, out)
    write_tables(comparison, out)
    progress.note("report")
    finished = [ComparedRun(one.entry, one.seed, one.folder) for one in outcomes if one.failure is None]
    write_comparison_report(comparison, finished, scores, out, dump_benchmark(benchmark))
    return comparison


def _make_phantom(phantom: PhantomData, data: Path, jobs: int, progress: Progress) -> None:
    mark = data / "phantom.json"
    facts = phantom.model_dump(mode="json", exclude=None if phantom.paired else {"paired"})
    if _holds(mark, facts):
        return
    progress.note("phantom")
    if data.exists():  # of another size, or half-written: its cases must not be among the new ones
        mark.unlink(missing_ok=True)
        shutil.rmtree(data)
    write_phantom(
        data,
        preset=phantom.preset,
        source=phantom.source,
        target=phantom.target,
        test=phantom.test,
        seed=phantom.seed,
        paired=phantom.paired,
        jobs=jobs,
        progress=progress,
    )
    write_json(mark, facts)


def _holds(mark: Path, facts: object) -> bool:
    try:
        return bool(json.loads(mark.read_text(encoding="utf-8")) == facts)
    except (OSError, ValueError):
        return False


def _line(outcome: Outcome, done: int, total: int) -> str:
    state = "finished" if outcome.failure is None else f"failed: {outcome.failure}"
    return f"[{done}/{total}] {outcome.entry}, seed {outcome.seed}: {state}"


def _record(outcome: Outcome, root: Path) -> dict[str, object]:
    return {
        "entry": outcome.entry,
        "seed": outcome.seed,
        "folder": outcome.folder.relative_to(root).as_posix(),
        "seconds": round(outcome.seconds, 1),
        "failure": outcome.failure,
    }
