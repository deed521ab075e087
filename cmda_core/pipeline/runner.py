"""Runs the stages of an experiment, skips what is done, and goes on where it was interrupted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from cmda_core.datasets import Dataset, read_dataset
from cmda_core.datasets.files import named
from cmda_core.datasets.split import refuse_shared_subjects
from cmda_core.datasets.twins import find_twins
from cmda_core.environment import environment_facts
from cmda_core.errors import ConfigError, OutputError
from cmda_core.evaluation.references import References
from cmda_core.evaluation.translation import paired_scans
from cmda_core.files import DISK_ERRORS, not_written, real_path, write_json, write_text
from cmda_core.following import take_place
from cmda_core.interrupts import interruptible
from cmda_core.pipeline.chain import torch_device
from cmda_core.pipeline.experiments import dump_experiment
from cmda_core.pipeline.folder import MARK, RunFolder, StageMark, file_facts, fingerprint
from cmda_core.pipeline.goal import ORACLE, Goal
from cmda_core.pipeline.journal import Journal, forget_peak_memory, peak_memory_mb
from cmda_core.pipeline.neighbours import undisturbed
from cmda_core.pipeline.plan import STAGES, StageName, make_plan
from cmda_core.pipeline.sharing import StageStore
from cmda_core.pipeline.stages.distribute import do_stage
from cmda_core.pipeline.stages.evaluate import evaluate, report
from cmda_core.pipeline.stages.grade import can_be_graded
from cmda_core.pipeline.stages.grading import grading_stages
from cmda_core.pipeline.stages.oracle import oracle_stages
from cmda_core.pipeline.stages.prepare import prepare
from cmda_core.pipeline.stages.segmenting import segmentation_stages
from cmda_core.pipeline.stages.translate import train_translator, translate
from cmda_core.pipeline.stages.workshop import Stage, Workshop
from cmda_core.pipeline.truth import closed
from cmda_core.processes import require_devices
from cmda_core.progress import Progress
from cmda_core.registry import Registry
from cmda_core.schema import Experiment, Runtime
from cmda_core.workers import Workers, opened_workers


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run came to.

    Attributes:
        folder: The run folder.
        summary: Scores by entry and structure, if there was a reference to compare with.
        seconds: What each stage took, over all attempts.
        report: The report, if that stage was reached.
    """

    folder: Path
    summary: dict[str, Any] | None
    seconds: dict[str, float]
    report: Path | None


class Planned(NamedTuple):
    """A stage of this run, its mark, and whether it is to be done."""

    stage: Stage
    mark: StageMark
    to_do: bool


def run_experiment(
    experiment: Experiment,
    folder: Path,
    *,
    registry: Registry,
    progress: Progress,
    until: StageName | None = None,
    fresh: bool = False,
    goal: Goal | None = None,
    store: StageStore | None = None,
    origin: str = "",
) -> RunSummary:
    """Run an experiment, or go on with it.

    A stage is done again only if its settings, its plugin's version, its seed or its inputs have
    changed. An interrupted stage goes on from its last checkpoint and gives the same result.

    With ``runtime.devices``, or under a launcher such as ``torchrun``, trainings that can be shared are
    done by several processes. One of them leads and does all the rest; the others do not come back.

    Args:
        experiment: What to run.
        folder: The run folder; it is made, or gone on with.
        registry: The plugins to choose from.
        progress: Where to show how far the work has come.
        until: Last stage to run; all of them if left out.
        fresh: Do everything again.
        goal: Score no more than this, and compute what that needs; without a report. Everything that
            the experiment names if left out.
        store: Where finished stages are shared with other runs.
        origin: File of the experiment, to begin messages on its settings with.

    Raises:
        CmdaError: If a plugin, a setting, the data or the folder cannot be used. All of that is
            found out before the first long step, and before anything in the folder changes.
    """
    take_place()  # of several processes only the one that leads goes on from here
    plan = make_plan(experiment, registry, grading=goal is None or goal.grader, origin=origin)
    dataset = read_dataset(experiment.data, experiment.task)
    refuse_shared_subjects(dataset)
    _check_reference(experiment, dataset)
    run_folder = RunFolder(folder)
    run_folder.create()
    workshop = Workshop(plan, run_folder, dataset, progress, goal)
    if workshop.graders and not can_be_graded(dataset.source):
        progress.note("the source cases have fewer than two Koos grades: no grader is trained")
    with interruptible(), run_folder.locked():
        planned = _planned(workshop, _wanted(_stages(workshop), until), fresh=fresh)
        for stage, _, to_do in planned:
            if to_do and stage.check is not None:
                stage.check(dataset.source)
            if to_do and stage.shared and workshop.processes > 1:
                require_devices(experiment.runtime, torch_device(experiment.runtime))
        if any(to_do and stage.name == "prepare" for stage, _, to_do in planned):
            _warn_of_twins(dataset, progress)
        write_text(run_folder.experiment, dump_experiment(plan.resolved))
        write_json(run_folder.root / "environment.json", environment_facts(experiment.runtime))
        with _workers(experiment.runtime, planned) as workshop.workers:
            seconds = _run_stages(workshop, planned, None if fresh else store, fresh=fresh)
    return _summary(run_folder, seconds)


def _stages(workshop: Workshop) -> list[Stage]:
    plan, folder = workshop.plan, workshop.folder.stage
    grading = grading_stages(workshop)
    segmentation = segmentation_stages(workshop)
    truth: dict[str, object] = {
        "reference": _reference_facts(plan.experiment.data.reference),
        "structures": plan.experiment.task.structures,
    }
    if ORACLE in workshop.trained:
        segmentation += oracle_stages(workshop, truth["reference"])
    scored = {f"segment:{entry}" for entry in workshop.scored}
    results = tuple(stage.key for stage in segmentation if stage.key in scored)
    results += tuple(stage.key for stage in grading if stage.name in ("grade", "cross-validate"))
    if workshop.scores_translations:
        results += ("translate",)
        truth["paired"] = _reference_facts(plan.experiment.data.paired)
    stages = [
        Stage(
            "prepare",
            folder("prepared"),
            {**plan.preprocessor.identity, "data": _data_facts(workshop.dataset)},
            (),
            prepare,
            check=plan.preprocessor.check,
            plugin=plan.preprocessor.label,
        ),
        Stage(
            "train-translator",
            folder("translator"),
            plan.translator.identity,
            ("prepare",),
            train_translator,
            check=plan.translator.check,
            plugin=plan.translator.label,
            shared=plan.translator.offer.several_devices,
        ),
        Stage(
            "translate",
            folder("translated"),
            {},
            ("prepare", "train-translator"),
            translate,
            plugin=plan.translator.label,
        ),
        *segmentation,
        *grading,
        Stage("evaluate", folder("evaluation"), truth, results, evaluate, may_know=True),
        Stage(
            "report",
            folder("report"),
            {"name": plan.experiment.name},
            ("evaluate",),
            report,
            may_know=True,
        ),
    ]
    return stages if workshop.goal is None else _needed(stages, ["evaluate"])


def _needed(stages: list[Stage], keys: list[str]) -> list[Stage]:
    """The stages of these keys, and all that they need."""
    inputs = {stage.key: stage.after for stage in stages}
    wanted, open_ = set(keys), list(keys)
    while open_:
        new = set(inputs[open_.pop()]) - wanted
        wanted |= new
        open_ += new
    return [stage for stage in stages if stage.key in wanted]


def _wanted(stages: list[Stage], until: StageName | None) -> list[Stage]:
    if until is None:
        return stages
    last = STAGES.index(until)
    return _needed(stages, [stage.key for stage in stages if STAGES.index(stage.name) <= last])


def _planned(workshop: Workshop, stages: list[Stage], *, fresh: bool) -> list[Planned]:
    """Every stage with its mark: what it depends on is known before anything is done."""
    runtime = workshop.runtime
    common = {
        "seed": runtime.seed,
        "precision": runtime.precision,
        "task": workshop.task.model_dump(mode="json"),
    }
    prints: dict[str, str] = {}
    planned = []
    for stage in stages:
        inputs = {key: prints[key] for key in stage.after}
        own: dict[str, object] = {
            "stage": stage.key,
            "identity": stage.identity,
            "inputs": inputs,
            "common": common,
        }
        if stage.shared and workshop.processes > 1:  # more of them make larger steps, and fewer
            own["processes"] = workshop.processes
        prints[stage.key] = fingerprint(own)
        facts = {"version": stage.identity.get("version"), "inputs": inputs}
        mark = StageMark(stage.folder, prints[stage.key], facts)
        planned.append(Planned(stage, mark, fresh or not mark.finished))
    return planned


def _run_stages(
    workshop: Workshop, planned: list[Planned], store: StageStore | None, *, fresh: bool
) -> dict[str, float]:
    journal = Journal(workshop.folder.root / "journal.jsonl")
    journal.rotate()
    for stage, mark, to_do in planned:
        if not to_do:
            journal.write(stage.key, "skipped")
        elif store is None or stage.name == "report":
            _run_stage(workshop, stage, mark, journal, fresh=fresh)
        else:
            _share_stage(workshop, stage, mark, journal, store)
    return {stage.key: mark.seconds for stage, mark, _ in planned}


def _share_stage(
    workshop: Workshop, stage: Stage, mark: StageMark, journal: Journal, store: StageStore
) -> None:
    """Take a stage over from a run that finished it, or do it for the others too."""
    with store.claimed(stage.key, mark.fingerprint, workshop.progress):
        if store.fetch(stage.key, mark.fingerprint, stage.folder):
            # What it took in the run that did it, so that every run's journal tells what its result costs.
            journal.write(stage.key, "shared", seconds=round(mark.seconds, 3), peak_mb=mark.peak_mb)
            return
        _run_stage(workshop, stage, mark, journal, fresh=False)
        store.keep(stage.key, mark.fingerprint, stage.folder)


def _run_stage(workshop: Workshop, stage: Stage, mark: StageMark, journal: Journal, *, fresh: bool) -> None:
    mark.begin(fresh=fresh)
    journal.write(stage.key, "started")
    workshop.progress.note(stage.key)
    forget_peak_memory()
    start = time.monotonic()
    try:
        with _watched(workshop, stage):
            do_stage(workshop, stage)
    except BaseException as error:
        elapsed = time.monotonic() - start
        reason = str(error) or type(error).__name__
        with suppress(OutputError):  # on a full disk nobody can take notes: the error itself must be told
            mark.pause(elapsed)
            journal.write(stage.key, "failed", seconds=round(elapsed, 3), reason=reason)
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            # Plugins and libraries write files of their own.
            raise not_written(error.filename or stage.folder, error) from error
        raise
    elapsed, peak = time.monotonic() - start, peak_memory_mb()
    mark.finish(elapsed, peak)
    journal.write(stage.key, "finished", seconds=round(mark.seconds, 3), peak_mb=peak)


@contextmanager
def _workers(runtime: Runtime, planned: list[Planned]) -> Iterator[Workers | None]:
    """A cluster is not called for if nothing is left to do."""
    if not any(to_do for _, _, to_do in planned):
        yield None
        return
    with opened_workers(runtime.backend, jobs=runtime.jobs, address=runtime.address) as workers:
        yield workers


@contextmanager
def _watched(workshop: Workshop, stage: Stage) -> Iterator[None]:
    """Keep the truth closed to stages that must not know it, and other stages' folders as they are."""
    with ExitStack() as opened:
        if not stage.may_know:
            opened.enter_context(closed(workshop.held_out, stage.key))
        if stage.plugin:
            root = workshop.folder.root
            others = [folder.parent for folder in root.rglob(MARK)]
            opened.enter_context(undisturbed(root, stage.folder, others, stage.plugin))
        yield


def _warn_of_twins(dataset: Dataset, progress: Progress) -> None:
    for test, other in find_twins(dataset, progress):
        progress.note(
            f"warning: the test scan {test.image} is the same as {other.image}, which is trained on: the "
            "scores will be too good. Remove one of them."
        )


def _check_reference(experiment: Experiment, dataset: Dataset) -> None:
    reference, paired = experiment.data.reference, experiment.data.paired
    if paired is not None:
        paired_scans(paired, dataset.source, experiment.task.target)
    if reference is not None and not real_path(reference).exists():
        raise ConfigError(f"data.reference: {reference} is not there. Correct it, or leave it out.")


def _data_facts(dataset: Dataset) -> Mapping[str, object]:
    cases = [*dataset.source, *dataset.target, *dataset.test]
    paths = [path for case in cases for path in (case.image, case.labels, case.parcellation) if path]
    facts: dict[str, object] = {"files": file_facts(paths), "grades": [case.grade for case in cases]}
    merged = {value: label for value, label in (dataset.values or {}).items() if value != label}
    return {**facts, "values": merged} if merged else facts


def _reference_facts(reference: Path | None) -> object:
    if reference is None:
        return None
    if reference.is_file():
        return file_facts([reference, *References.find(reference).labels.values()])
    return file_facts(named(reference, "*"))


def _summary(folder: RunFolder, seconds: dict[str, float]) -> RunSummary:
    scores = folder.stage("evaluation") / "summary.json"
    page = folder.stage("report") / "index.html"
    summary = json.loads(scores.read_text(encoding="utf-8")) if scores.exists() else None
    return RunSummary(folder.root, summary, seconds, page if page.exists() else None)
