"""Which stages graders go through."""

from __future__ import annotations

from functools import partial

from cmda_core.pipeline.stages.crossvalidate import cross_validate
from cmda_core.pipeline.stages.grade import can_be_graded, grade, train_grader
from cmda_core.pipeline.stages.workshop import Stage, Workshop


def grading_stages(workshop: Workshop) -> list[Stage]:
    """Training, prediction and, if asked for, cross-validation of every grader.

    A dataset whose source cases have fewer than two grades, such as that of crossMoDA 2021 or 2023,
    has none of them: its run ends with the segmentations.
    """
    if not can_be_graded(workshop.dataset.source):
        return []
    segmented = f"segment:{workshop.plan.entry}"
    training, prediction, validation = [], [], []
    folder = workshop.folder.stage
    experiment = workshop.plan.experiment
    for grader in workshop.graders:
        name = grader.offer.name
        shared = ("prepare", "translate", segmented)
        inputs = (*shared, "train-translator") if grader.offer.needs_encoder else shared
        work = partial(train_grader, name=name)
        own = folder("grader", name)
        label = grader.label
        training.append(
            Stage("train-grader", own, grader.identity, inputs, work, name, grader.check, plugin=label)
        )
        after = (*shared, f"train-grader:{name}")
        work = partial(grade, name=name)
        prediction.append(Stage("grade", folder("graded", name), {}, after, work, name, plugin=label))
        facts = {**grader.identity, "folds": experiment.grading.folds}
        work = partial(cross_validate, name=name)
        own = folder("cross-validated", name)
        validation.append(Stage("cross-validate", own, facts, inputs, work, name, grader.check, plugin=label))
    return [*training, *prediction, *(validation if experiment.grading.folds else [])]
