"""Stages *train-grader* and *grade*."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from cmda_core.evaluation.predictions import PredictedGrade
from cmda_core.files import replacing
from cmda_core.hookspecs import GraderOffer
from cmda_core.pipeline.plan import Chosen
from cmda_core.pipeline.promises import checked_grade
from cmda_core.pipeline.stages.segment import CROPS
from cmda_core.pipeline.stages.workshop import Workshop
from cmda_core.protocols import GradingCase, GradingData, GradingInput, KoosPrediction
from cmda_core.schema import Cohort
from cmda_core.volumes import read_labels, read_volume

PREDICTIONS = "predictions.csv"


def train_grader(workshop: Workshop, folder: Path, *, name: str) -> None:
    """Train a grader on graded source subjects and ungraded target subjects, in both modalities."""
    chosen = grader_named(workshop, name)
    source, target = grading_cases(workshop, "source"), grading_cases(workshop, "target")
    workshop.fit(chosen, grading_data(workshop, chosen.offer, source, target), folder)


def grade(workshop: Workshop, folder: Path, *, name: str) -> None:
    """Grade the test scans."""
    grader = workshop.chain.grader(name)
    cases = grading_cases(workshop, "test")
    label = grader_named(workshop, name).label
    predictions = []
    with workshop.progress.task(f"grade ({name})", len(cases)) as advance:
        for case in cases:
            predictions.append(checked_grade(grader, loaded(case), label))
            advance(1)
    write_predictions(folder / PREDICTIONS, predictions)


def grader_named(workshop: Workshop, name: str) -> Chosen[GraderOffer]:
    """The grader of that name, with its settings."""
    return next(grader for grader in workshop.plan.graders if grader.offer.name == name)


def grading_data(
    workshop: Workshop, offer: GraderOffer, source: Sequence[GradingCase], target: Sequence[GradingCase]
) -> GradingData:
    """What a grader learns from; source cases without a grade count as unannotated."""
    return GradingData(
        annotated=tuple(case for case in source if case.grade is not None),
        unannotated=(*target, *(case for case in source if case.grade is None)),
        encoder=workshop.chain.encoder if offer.needs_encoder else None,
    )


def can_be_graded(source: Cohort) -> bool:
    """Whether a grader can be trained: the source cases have at least two different grades."""
    return len({case.grade for case in source if case.grade is not None}) > 1


def write_predictions(path: Path, predictions: Iterable[KoosPrediction | PredictedGrade]) -> None:
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


def grading_cases(workshop: Workshop, cohort: str) -> Sequence[GradingCase]:
    """The cases of a prepared cohort in both modalities, with the masks of the method's own segmenter."""
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


def loaded(case: GradingCase) -> GradingInput:
    """The images and the mask of a case, without its grade."""
    return GradingInput(
        case=case.case,
        images={modality: read_volume(path, modality, case.case) for modality, path in case.images.items()},
        mask=read_labels(case.mask, case.case),
        real=case.real,
    )
