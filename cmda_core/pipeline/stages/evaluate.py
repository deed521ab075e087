"""Stages *evaluate* and *report*: the only ones that may read the truth about the test scans."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cmda_core.evaluation.evaluate import Evaluation, evaluate_entries, grade_table
from cmda_core.evaluation.references import References
from cmda_core.pipeline.stages.grade import PREDICTIONS, can_be_graded
from cmda_core.pipeline.stages.workshop import Workshop
from cmda_core.reporting import write_report
from cmda_core.schema import Cohort


def evaluate(workshop: Workshop, folder: Path) -> None:
    """Score every entry and every grader against the held-out reference.

    Cross-validated grades are scored against those of the training cases, which are no secret.
    """
    run, plan = workshop.folder, workshop.plan
    reference, folds = plan.experiment.data.reference, plan.experiment.grading.folds
    can = can_be_graded(workshop.dataset.source)
    graders = [grader.offer.name for grader in workshop.graders if can]
    if reference is None:
        what = "only the cross-validation is evaluated" if folds and graders else "nothing to evaluate"
        workshop.progress.note(f"no held-out reference (data.reference): {what}")
        if not (folds and graders):
            return
    evaluation = Evaluation.empty()
    if reference is not None:
        evaluation = evaluate_entries(
            {entry: run.stage("segmented", entry) for entry in workshop.scored},
            {name: run.stage("graded", name) / PREDICTIONS for name in graders},
            _of_test_cases(References.find(reference, workshop.dataset.values), workshop.dataset.test),
            workshop.task,
            jobs=workshop.run(folder).jobs,
        )
    if folds and graders:
        tables = {name: run.stage("cross-validated", name) / PREDICTIONS for name in graders}
        known = {case.id: case.grade for case in workshop.dataset.source if case.grade is not None}
        evaluation = replace(evaluation, cross_validation=grade_table(tables, known))
    evaluation.write(folder)


def report(workshop: Workshop, folder: Path) -> None:  # noqa: ARG001  # every stage's work is called alike
    """Write the report of the run."""
    write_report(workshop.folder.root)


def _of_test_cases(references: References, test: Cohort) -> References:
    """Without those of training cases: a dataset may hold them back in the same folder."""
    names = {case.id for case in test}
    return replace(
        references,
        labels={case: path for case, path in references.labels.items() if case in names},
        grades={case: grade for case, grade in references.grades.items() if case in names},
    )
