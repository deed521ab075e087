"""Does the work of a stage, in several processes where it can be shared and they are there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cmda_core.pipeline.chain import torch_device
from cmda_core.pipeline.stages.workshop import Stage, Workshop
from cmda_core.pipeline.truth import closed
from cmda_core.processes import Call, Place, together

_TRAININGS = ("train-translator", "train-segmenter", "train-grader", "cross-validate")


def do_stage(workshop: Workshop, stage: Stage) -> None:
    """Do a stage's work.

    Raises:
        RunError: If a process fails that shares it.
    """
    if workshop.processes > 1 and stage.shared:
        workshop.progress.note(f"{stage.key}: {workshop.processes} processes")
        device = torch_device(workshop.runtime)
        # The truth is closed in this process alone; in the others it must be closed too.
        closing = frozenset[str]() if stage.may_know else workshop.held_out, stage.key
        call = Call(_share, (stage.work, workshop.of_followers(), stage.folder, *closing), device)
        together(workshop.processes, call, (stage.work, workshop, stage.folder, *closing))
        return
    if workshop.processes > 1 and stage.name in _TRAININGS:
        workshop.progress.note(f"{stage.key}: this plugin trains on one device; the others wait")
    stage.work(workshop, stage.folder)


def _share(
    work: Callable[[Workshop, Path], None],
    workshop: Workshop,
    folder: Path,
    hidden: frozenset[str],
    stage: str,
    place: Place,
) -> None:
    with closed(hidden, stage):
        work(replace(workshop, place=place), folder)
