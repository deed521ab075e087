"""Does the work of a stage, in several processes where it can be shared and they are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cmda_core.datasets import Dataset
from cmda_core.pipeline.chain import torch_device
from cmda_core.pipeline.folder import RunFolder
from cmda_core.pipeline.plan import make_plan
from cmda_core.pipeline.stages.translate import train_translator
from cmda_core.pipeline.stages.workshop import Stage, Workshop
from cmda_core.pipeline.truth import closed
from cmda_core.processes import Call, Place, together
from cmda_core.progress import Silent
from cmda_core.registry import Registry
from cmda_core.schema import Cohort, Experiment

_TRAININGS = ("train-translator", "train-segmenter", "train-grader", "cross-validate")
_SHARED = {"train-translator": train_translator}
"""What followers can be asked for, by stage."""


def do_stage(workshop: Workshop, stage: Stage) -> None:
    """Do a stage's work.

    Raises:
        RunError: If a process fails that shares it.
    """
    if workshop.processes > 1 and stage.shared:
        workshop.progress.note(f"{stage.key}: {workshop.processes} processes")

        def lead(place: Place) -> None:
            stage.work(replace(workshop, place=place), stage.folder)

        together(workshop.processes, _call(workshop, stage), follow_stage, lead)
        return
    if workshop.processes > 1 and stage.name in _TRAININGS:
        workshop.progress.note(f"{stage.key}: this plugin trains on one device; the others wait")
    stage.work(workshop, stage.folder)


def _call(workshop: Workshop, stage: Stage) -> Call:
    hidden = frozenset[str]() if stage.may_know else workshop.held_out
    return Call(
        {
            "stage": stage.name,
            "experiment": workshop.plan.experiment.model_dump(mode="json"),
            "origins": dict(workshop.plan.origins),
            "run": str(workshop.folder.root),
            "folder": str(stage.folder),
            "hidden": sorted(hidden),
        },
        torch_device(workshop.runtime),
    )


def follow_stage(message: Mapping[str, Any], place: Place) -> None:
    """Do a follower's part of a stage: it shows no progress, and sees prepared scans alone.

    Args:
        message: What the leader has called for.
        place: Of this process.
    """
    experiment = Experiment.model_validate(message["experiment"])
    plan = make_plan(experiment, Registry.of(message["origins"]), grading=False)
    none = Cohort(name="none", cases=())
    folder = RunFolder(Path(message["run"]))
    workshop = Workshop(plan, folder, Dataset(none, none, none), Silent(), place=place)
    # The leader has closed the truth in its own process alone.
    with closed(frozenset(message["hidden"]), message["stage"]):
        _SHARED[message["stage"]](workshop, Path(message["folder"]))
