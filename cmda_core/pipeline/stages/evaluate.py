"""Stages *evaluate* and *report*: the only ones that may read the truth about the test scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from cmda_core.evaluation.evaluate import Evaluation, evaluate_entries, grade_table
from cmda_core.evaluation.references import References
from cmda_core.evaluation.tables import translation_table
from cmda_core.evaluation.translation import paired_scans, score_translations
from cmda_core.pipeline.stages.grade import PREDICTIONS, can_be_graded
from cmda_core.pipeline.stages.workshop import Workshop
from cmda_core.reporting import write_report
from cmda_core.schema import Cohort


def evaluate(workshop: Workshop, folder: Path) -> None:
    """Score every entry and every grader against the held-out reference.

    Cross-validated grades are scored against those of the training cases, which are no secret, and
    translations against paired scans.
    """
    data, folds = workshop.plan.experiment.data, workshop.plan.experiment.grading.folds
    can = can_be_graded(workshop.dataset.source)
    graders = [grader.offer.name for grader in workshop.graders if can]
    others = {
        "the cross-validation": bool(folds and graders),
        "the translations": workshop.scores_translations,
    }
    if data.reference is None:
        words = " and ".join(what for what, wanted in others.items() if wanted)
        what = f"only {words} can be evaluated" if words else "nothing to evaluate"
        workshop.progress.note(f"no held-out reference (data.reference): {what}")
        if not words:
            return
    evaluation = Evaluation.empty()
    if data.reference is not None:
        evaluation = _of_test_cases(workshop, data.reference, graders, workshop.run(folder).jobs)
    if folds and graders:
        tables = {name: workshop.folder.stage("cross-validated", name) / PREDICTIONS for name in graders}
        known = {case.id: case.grade for case in workshop.dataset.source if case.grade is not None}
        evaluation = replace(evaluation, cross_validation=grade_table(tables, known))
    if workshop.scores_translations and data.paired is not None:
        table = _of_translations(workshop, data.paired, workshop.run(folder).jobs)
        evaluation = replace(evaluation, translations=table)
    evaluation.write(folder)


def report(workshop: Workshop, folder: Path) -> None:  # noqa: ARG001  # every stage's work is called alike
    """Write the report of the run."""
    write_report(workshop.folder.root)


def _of_test_cases(workshop: Workshop, reference: Path, graders: Sequence[str], jobs: int) -> Evaluation:
    run = workshop.folder
    return evaluate_entries(
        {entry: run.stage("segmented", entry) for entry in workshop.scored},
        {name: run.stage("graded", name) / PREDICTIONS for name in graders},
        _without_training(References.find(reference, workshop.dataset.values), workshop.dataset.test),
        workshop.task,
        jobs=jobs,
    )


def _of_translations(workshop: Workshop, paired: Path, jobs: int) -> pd.DataFrame:
    translated = workshop.translated("source")
    scans = paired_scans(paired, translated, workshop.task.target)
    scores = score_translations(translated, scans, workshop.task, jobs=jobs)
    return translation_table(workshop.plan.translator.offer.name, scores)


def _without_training(references: References, test: Cohort) -> References:
    """Those of the test cases: a dataset may hold back those of training cases in the same folder."""
    names = {case.id for case in test}
    return replace(
        references,
        labels={case: path for case, path in references.labels.items() if case in names},
        grades={case: grade for case, grade in references.grades.items() if case in names},
    )
