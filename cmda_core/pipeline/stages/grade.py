"""Stages *train-grader* and *grade*."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from cmda_core.files import replacing
from cmda_core.pipeline.chain import save_model
from cmda_core.pipeline.stages.segment import CROPS
from cmda_core.pipeline.stages.workshop import Stage, Workshop
from cmda_core.protocols import GradingCase, GradingData, GradingInput, KoosPrediction
from cmda_core.volumes import read_labels, read_volume

PREDICTIONS = "predictions.csv"


def train_grader(workshop: Workshop, folder: Path, *, name: str) -> None:
    """Train a grader on graded source subjects and ungraded target subjects, in both modalities."""
    chosen = next(grader for grader in workshop.plan.graders if grader.offer.name == name)
    source, target = _subjects(workshop, "source"), _subjects(workshop, "target")
    data = GradingData(
        annotated=tuple(case for case in source if case.grade is not None),
        unannotated=(*target, *(case for case in source if case.grade is None)),
        encoder=workshop.chain.encoder if chosen.offer.needs_encoder else None,
    )
    grader = chosen.offer.build(chosen.config, workshop.task)
    grader.fit(data, workshop.run(folder))
    save_model(grader, folder)


def grade(workshop: Workshop, folder: Path, *, name: str) -> None:
    """Grade the test scans."""
    grader = workshop.chain.grader(name)
    cases = _subjects(workshop, "test")
    predictions = []
    with workshop.progress.task(f"grade ({name})", len(cases)) as advance:
        for case in cases:
            predictions.append(grader.grade(_loaded(case)))
            advance(1)
    write_predictions(folder / PREDICTIONS, predictions)


def write_predictions(path: Path, predictions: Iterable[KoosPrediction]) -> None:
    """Write grades as CSV: ``case,class`` and the probability of each grade.

    Raises:
        OutputError: If the file cannot be written.
    """
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(["case", "class", "p1", "p2", "p3", "p4"])
        for prediction in predictions:
            probabilities = (f"{probability:.6f}" for probability in prediction.probabilities)
            rows.writerow([prediction.case, prediction.grade, *probabilities])


def grading_stages(workshop: Workshop) -> list[Stage]:
    """Training and prediction of every grader."""
    segmented = f"segment:{workshop.plan.entry}"
    stages = []
    for grader in workshop.graders:
        name = grader.offer.name
        inputs = ["prepare", "translate", segmented]
        if grader.offer.needs_encoder:
            inputs.append("train-translator")
        folder = workshop.folder.stage("grader", name)
        work = partial(train_grader, name=name)
        stages.append(Stage("train-grader", folder, grader.identity, tuple(inputs), work, name, grader.check))
    for grader in workshop.graders:
        name = grader.offer.name
        inputs = ["prepare", "translate", segmented, f"train-grader:{name}"]
        folder = workshop.folder.stage("graded", name)
        stages.append(Stage("grade", folder, {}, tuple(inputs), partial(grade, name=name), name))
    return stages


def _subjects(workshop: Workshop, cohort: str) -> Sequence[GradingCase]:
    masks = workshop.folder.stage("segmented", workshop.plan.entry) / CROPS
    fakes = workshop.translated(cohort)
    return [
        GradingCase(
            case=real.id,
            subject=real.subject,
            images={real.modality: real.image, fake.modality: fake.image},
            mask=masks / f"{real.id}.nii",
            real=real.modality,
            grade=real.grade,
        )
        for real, fake in zip(workshop.prepared("unaffined", cohort), fakes, strict=True)
    ]


def _loaded(case: GradingCase) -> GradingInput:
    return GradingInput(
        case=case.case,
        images={modality: read_volume(path, modality, case.case) for modality, path in case.images.items()},
        mask=read_labels(case.mask, case.case),
        real=case.real,
    )
