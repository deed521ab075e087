"""Stages *evaluate* and *report*: the only ones that may read the truth about the test scans."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cmda_core.evaluation.evaluate import evaluate_entries
from cmda_core.evaluation.references import References
from cmda_core.pipeline.stages.grade import PREDICTIONS
from cmda_core.pipeline.stages.workshop import Workshop
from cmda_core.reporting import write_report
from cmda_core.schema import Cohort


def evaluate(workshop: Workshop, folder: Path) -> None:
    """Score every entry and every grader against the held-out reference."""
    reference = workshop.plan.experiment.data.reference
    if reference is None:
        workshop.progress.note("no held-out reference (data.reference): nothing to evaluate")
        return
    run = workshop.folder
    names = [grader.offer.name for grader in workshop.graders]
    evaluation = evaluate_entries(
        {entry: run.stage("segmented", entry) for entry in workshop.scored},
        {name: run.stage("graded", name) / PREDICTIONS for name in names},
        _of_test_cases(References.find(reference), workshop.dataset.test),
        workshop.task,
        jobs=workshop.run(folder).jobs,
    )
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
