"""One run of a benchmark: one entry with one seed, in a folder of its own."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from cmda_core.datasets.phantom import PAIRED_FOLDER, REFERENCE_FOLDER
from cmda_core.errors import CmdaError, ConfigError, OutputError, RunError
from cmda_core.files import real_path, write_text, writing
from cmda_core.pipeline.benchmark.limits import within
from cmda_core.pipeline.experiments import load_experiment
from cmda_core.pipeline.goal import Goal
from cmda_core.pipeline.journal import Journal
from cmda_core.pipeline.plan import make_plan
from cmda_core.pipeline.runner import run_experiment
from cmda_core.pipeline.sharing import StageStore
from cmda_core.progress import Progress, Silent
from cmda_core.registry import Registry
from cmda_core.schema import Experiment
from cmda_core.schema.benchmark import TRANSLATION_METRIC_NAMES, Benchmark, Entry

DATA, RUNS, SHARED = "data", "runs", "shared"
FAILURE = "failure.txt"
_PLUGIN_OF = {
    "prepare": "preprocessor",
    "train-translator": "translator",
    "translate": "translator",
    "train-segmenter": "segmenter",
    "segment": "segmenter",
    "train-grader": "grader",
    "grade": "grader",
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BenchmarkRun:
    """What is to be run.

    Attributes:
        entry: Name of the entry.
        seed: Of the trainings.
        experiment: With all settings of the entry.
        goal: What is scored.
        folder: The run folder.
        limit_minutes: After which it is stopped, if ever.
    """

    entry: str
    seed: int
    experiment: Experiment
    goal: Goal
    folder: Path
    limit_minutes: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run.

    Attributes:
        entry: Name of the entry.
        seed: Of the trainings.
        folder: The run folder.
        seconds: What the stages took that it depends on, over all attempts; 0 if it failed.
        failure: What went wrong, if anything.
    """

    entry: str
    seed: int
    folder: Path
    seconds: float = 0.0
    failure: str | None = None


def plan_runs(
    benchmark: Benchmark, out: Path, registry: Registry, overrides: Sequence[str] = ()
) -> list[BenchmarkRun]:
    """Read the experiment of every entry and check its settings, before anything is run.

    Runs of one entry come one after the other: workers that start together have different seeds, and
    nothing to wait for in each other.

    Raises:
        ConfigError: If a setting of an entry cannot be used.
        UnknownPluginError: If a plugin is not installed.
    """
    runs = []
    for entry in benchmark.entries:
        goal = _goal(benchmark, entry)
        for seed in benchmark.seeds:
            experiment = _experiment(benchmark, entry, seed, out, overrides)
            make_plan(experiment, registry, grading=goal.grader)
            if entry.training == "oracle" and experiment.data.reference is None:
                raise ConfigError(f"entry {entry.name!r}: an oracle needs data.reference with target labels.")
            folder = out / RUNS / entry.slug / f"seed-{seed}"
            limit = benchmark.limit_minutes
            runs.append(BenchmarkRun(entry.name, seed, experiment, goal, folder, limit))
    _require("reference", runs, benchmark, wanted=benchmark.segments or benchmark.grades)
    _require("paired", runs, benchmark, wanted=benchmark.translates)
    return runs


def do_run(
    run: BenchmarkRun, shared: Path, registry: Callable[[], Registry], progress: Progress | None = None
) -> Outcome:
    """Run, or go on with, one run; its failure does not stop the others.

    Args:
        run: What to run.
        shared: Where stages are shared with other runs.
        registry: Finds the plugins; called in the process that does the work.
        progress: Where to show how far it has come; a run with a time limit shows nothing.
    """
    if run.limit_minutes is not None:
        unlimited = replace(run, limit_minutes=None)
        try:
            return within(60 * run.limit_minutes, do_run, (unlimited, shared, registry))
        except RunError as error:
            return _failed(run, f"{_at_work(run)}{error}.")
    try:
        with writing(run.folder):
            (run.folder / FAILURE).unlink(missing_ok=True)
        # Libraries print to stdout, which belongs to the tables of the process that started this one.
        with redirect_stdout(sys.stderr):
            summary = run_experiment(
                run.experiment,
                run.folder,
                registry=registry(),
                progress=progress or Silent(),
                goal=run.goal,
                store=StageStore(shared),
            )
    except CmdaError as error:
        return _failed(run, str(error))
    except Exception as error:  # noqa: BLE001  # a bug in one entry's plugin; the others may do well
        _log.exception("%s, seed %d", run.entry, run.seed)
        return _failed(run, f"unexpected {type(error).__name__}: {error}")
    return Outcome(run.entry, run.seed, run.folder, sum(summary.seconds.values()))


def _at_work(run: BenchmarkRun) -> str:
    """The stage that was at work last, with its plugin."""
    events = [event for event in Journal(run.folder / "journal.jsonl").read() if event["event"] == "started"]
    if not events:
        return ""
    stage = str(events[-1]["stage"])
    kind = next((kind for word, kind in _PLUGIN_OF.items() if stage.startswith(word)), None)
    plugin = f", {kind} {getattr(run.experiment, kind).plugin!r}" if kind else ""
    return f"stage {stage!r}{plugin}: "


def _failed(run: BenchmarkRun, reason: str) -> Outcome:
    if run.folder.is_dir():
        with suppress(OutputError):  # on a full disk the outcome alone tells
            write_text(run.folder / FAILURE, f"{reason}\n\n{traceback.format_exc()}")
    return Outcome(run.entry, run.seed, run.folder, failure=reason)


def _require(what: str, runs: Sequence[BenchmarkRun], benchmark: Benchmark, *, wanted: bool) -> None:
    if wanted and any(getattr(run.experiment.data, what) is None for run in runs):
        translations = what == "paired"
        metrics = ", ".join(
            metric for metric in benchmark.metrics if (metric in TRANSLATION_METRIC_NAMES) == translations
        )
        hint = " (or phantom.paired=true)" if translations and benchmark.phantom else ""
        raise ConfigError(
            f"benchmark {benchmark.name!r}: set data.{what}{hint}; without it there is nothing to compare "
            f"{metrics} with."
        )


def _goal(benchmark: Benchmark, entry: Entry) -> Goal:
    return Goal(
        entry.training if benchmark.segments else None,
        grader=benchmark.grades,
        translator=benchmark.translates and entry.training == "method",
    )


def _experiment(
    benchmark: Benchmark, entry: Entry, seed: int, out: Path, overrides: Sequence[str]
) -> Experiment:
    own = [
        f"runtime.seed={seed}",
        "baselines.source_only=false",
        "baselines.graders=[]",
        f"name={json.dumps(entry.name, ensure_ascii=False)}",
    ]
    if benchmark.phantom is not None:
        data = real_path(out / DATA)
        own.append(f"data.root={json.dumps(str(data), ensure_ascii=False)}")
        own.append(f"data.reference={json.dumps(str(data / REFERENCE_FOLDER), ensure_ascii=False)}")
        if benchmark.phantom.paired:
            own.append(f"data.paired={json.dumps(str(data / PAIRED_FOLDER), ensure_ascii=False)}")
    try:
        return load_experiment(
            benchmark.base, layers=[benchmark.settings, entry.settings], overrides=[*overrides, *own]
        )
    except ConfigError as error:
        raise ConfigError(f"entry {entry.name!r}: {error}") from error
