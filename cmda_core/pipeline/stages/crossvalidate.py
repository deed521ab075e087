"""Stage *cross-validate*: every annotated case is graded by a grader that has not seen its subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cmda_core.evaluation.predictions import PredictedGrade, read_predicted_grades
from cmda_core.hookspecs import GraderOffer
from cmda_core.pipeline.folds import deal_subjects
from cmda_core.pipeline.plan import Chosen
from cmda_core.pipeline.promises import checked_grade
from cmda_core.pipeline.stages.grade import (
    PREDICTIONS,
    grader_named,
    grading_cases,
    grading_data,
    loaded,
    write_predictions,
)
from cmda_core.pipeline.stages.workshop import Workshop
from cmda_core.protocols import GradingCase, KoosPrediction


@dataclass(frozen=True, slots=True)
class Fold:
    """One training of a cross-validation.

    Attributes:
        number: From 0.
        held_out: The annotated cases that it grades.
        source: Source cases that it may learn from: without the subjects of ``held_out``.
        target: Target cases that it may learn from, likewise.
    """

    number: int
    held_out: tuple[GradingCase, ...]
    source: tuple[GradingCase, ...]
    target: tuple[GradingCase, ...]

    @property
    def can_be_trained(self) -> bool:
        """Whether the cases that are left have two grades to tell apart."""
        return len({case.grade for case in self.source if case.grade is not None}) > 1


def make_folds(
    source: Sequence[GradingCase], target: Sequence[GradingCase], folds: int, seed: int
) -> list[Fold]:
    """Split by subject: whatever the modality, no scan of a held-out subject is learnt from.

    Args:
        source: Source cases, with and without a grade.
        target: Target cases.
        folds: How many.
        seed: Of the split.
    """
    annotated = [case for case in source if case.grade is not None]
    dealt = deal_subjects(annotated, folds, seed)
    return [
        Fold(
            number,
            tuple(case for case in annotated if dealt[case.subject] == number),
            tuple(case for case in source if dealt.get(case.subject) != number),
            tuple(case for case in target if dealt.get(case.subject) != number),
        )
        for number in sorted(set(dealt.values()))
    ]


def cross_validate(workshop: Workshop, folder: Path, *, name: str) -> None:
    """Train a grader once per fold and grade what that fold has held out."""
    experiment = workshop.plan.experiment
    source, target = grading_cases(workshop, "source"), grading_cases(workshop, "target")
    folds = make_folds(source, target, experiment.grading.folds, experiment.runtime.seed)
    predictions: list[PredictedGrade | KoosPrediction] = []
    for fold in folds:
        if not fold.can_be_trained:
            cases = ", ".join(case.case for case in fold.held_out)
            workshop.progress.note(f"{name}: without {cases} only one grade is left to learn; not graded")
            continue
        predictions += _grade_fold(workshop, grader_named(workshop, name), fold, folder)
    write_predictions(folder / PREDICTIONS, predictions)


def _grade_fold(
    workshop: Workshop, chosen: Chosen[GraderOffer], fold: Fold, folder: Path
) -> Sequence[PredictedGrade | KoosPrediction]:
    own = folder / f"fold-{fold.number}"
    if (own / PREDICTIONS).exists():  # by an attempt that was interrupted later
        return read_predicted_grades(own / PREDICTIONS)
    data = grading_data(workshop, chosen.offer, fold.source, fold.target)
    grader = chosen.fitted(workshop.task, data, workshop.run(own))
    predictions = [checked_grade(grader, loaded(case), chosen.label) for case in fold.held_out]
    write_predictions(own / PREDICTIONS, predictions)
    return predictions
