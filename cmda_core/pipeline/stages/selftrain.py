"""Stages *pseudo-label* and *train-segmenter* of the students: rounds of teacher and student.

A teacher labels the target's training scans; its student learns from the teacher's own cases and from
those scans, and is the teacher of the next round. No true label of the target is read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import fmean

from cmda_core.errors import DataError
from cmda_core.files import write_json
from cmda_core.pipeline.promises import checked_segmentation
from cmda_core.pipeline.stages.segment import method_cohorts, pooled
from cmda_core.pipeline.stages.workshop import Stage, Workshop
from cmda_core.protocols import SegmentationData, Segmenter
from cmda_core.pseudolabels import (
    PSEUDO_LABELS,
    PseudoLabel,
    Verdict,
    choose_scans,
    ignore_label,
    ignores,
    make_pseudo_label,
    write_verdicts,
)
from cmda_core.schema import Case, Cohort
from cmda_core.volumes import read_volume, write_volume

FOLDER = "pseudo-labels"
_COHORT = "target.json"


def self_training_stages(workshop: Workshop, inputs: tuple[str, ...]) -> list[Stage]:
    """Pseudo-labels and training of every student that is to be trained, round by round.

    Args:
        workshop: Of the run.
        inputs: Keys of the stages that make what the first teacher learns from.
    """
    chosen, learners = workshop.plan.segmenter, workshop.plan.learners
    settings = workshop.plan.experiment.self_training
    # More rounds must not make the earlier ones anew, so their number is no part of a round's identity.
    facts = settings.model_dump(mode="json", exclude={"rounds"})
    stages = []
    for teacher, student in pairwise(learners):
        if student not in workshop.trained:
            continue
        folder = workshop.folder.stage(FOLDER, student)
        label = partial(pseudo_label, teacher=teacher, student=student)
        taught_by = ("prepare", f"train-segmenter:{teacher}")
        stages.append(Stage("pseudo-label", folder, facts, taught_by, label, student, plugin=chosen.label))
        own = workshop.folder.stage("segmenter", student)
        train = partial(train_student, student=student)
        after = (*inputs, f"pseudo-label:{student}")
        stages.append(
            Stage(
                "train-segmenter",
                own,
                chosen.identity,
                after,
                train,
                student,
                chosen.check,
                plugin=chosen.label,
            )
        )
    return stages


def pseudo_label(workshop: Workshop, folder: Path, *, teacher: str, student: str) -> None:
    """Let a teacher label the target's training scans, and keep those that can be trusted.

    Raises:
        DataError: If no scan can be trusted.
    """
    segmenter = workshop.chain.segmenter(teacher)
    target = workshop.prepared("unaffined", "target")
    found = []
    with workshop.progress.task(f"pseudo-label ({student})", len(target)) as advance:
        for case in target:
            found.append(_label_case(workshop, segmenter, case, folder))
            advance(1)
    verdicts = choose_scans(found, workshop.plan.experiment.self_training)
    write_verdicts(folder / PSEUDO_LABELS, verdicts)
    if not any(verdict.kept for verdict in verdicts):
        raise DataError(_nothing_kept(verdicts, folder))
    kept = tuple(
        case.model_copy(update={"id": f"{case.id}_pseudo", "labels": _labels(folder, case)})
        for case, verdict in zip(target, verdicts, strict=True)
        if verdict.kept
    )
    Cohort(name=f"target (labelled by {teacher})", cases=kept).save(folder / _COHORT)
    for line in describe_verdicts(student, verdicts):
        workshop.progress.note(line)


def train_student(workshop: Workshop, folder: Path, *, student: str) -> None:
    """Train a segmenter on what its teacher learnt from, and on the scans that the teacher labelled."""
    chosen, settings = workshop.plan.segmenter, workshop.plan.experiment.self_training
    labelled = Cohort.load(workshop.folder.stage(FOLDER, student) / _COHORT)
    ignore = ignore_label(workshop.task) if ignores(settings) else None
    data = SegmentationData(pooled([*method_cohorts(workshop), labelled]), ignore)
    workshop.fit(chosen, data, folder)


def describe_verdicts(student: str, verdicts: Sequence[Verdict]) -> list[str]:
    """What a round made of the target's scans, for people: what was kept, and what was left out."""
    kept = [verdict.label for verdict in verdicts if verdict.kept]
    figures = [
        f"{name} {fmean(label.volume_mm3[name] for label in kept):.0f} mm³ "
        f"(confidence {fmean(label.confidence[name] for label in kept):.2f})"
        for name in kept[0].confidence
    ]
    lines = [f"{student}: learns from {len(kept)} of {len(verdicts)} target scans; {', '.join(figures)}"]
    out = [f"{verdict.label.case} ({verdict.reason})" for verdict in verdicts if not verdict.kept]
    return [*lines, f"{student}: left out {', '.join(out)}"] if out else lines


def _label_case(workshop: Workshop, segmenter: Segmenter, case: Case, folder: Path) -> PseudoLabel:
    record = folder / "records" / f"{case.id}.json"
    if record.exists():  # by an attempt that was interrupted later
        return PseudoLabel(case=case.id, **json.loads(record.read_text(encoding="utf-8")))
    volume = read_volume(case.image, case.modality, case.id)
    segmentation = checked_segmentation(segmenter, volume, workshop.task, workshop.plan.segmenter.label)
    labels, found = make_pseudo_label(segmentation, workshop.task, workshop.plan.experiment.self_training)
    write_volume(_labels(folder, case), labels)
    # Last, because its presence says that the case is complete.
    write_json(
        record,
        {
            "confidence": dict(found.confidence),
            "volume_mm3": dict(found.volume_mm3),
            "uncertain": found.uncertain,
        },
    )
    return found


def _labels(folder: Path, case: Case) -> Path:
    return folder / "labels" / f"{case.id}.nii"


def _nothing_kept(verdicts: Sequence[Verdict], folder: Path) -> str:
    reasons = ", ".join(f"{verdict.label.case} ({verdict.reason})" for verdict in verdicts[:3])
    return (
        f"self_training: none of {len(verdicts)} target scans can be trusted: {reasons}. Train the segmenter "
        "for longer, lower self_training.min_confidence or self_training.voxel_confidence, or set "
        f"self_training.complete to false. Figures of all: {folder / PSEUDO_LABELS}"
    )
