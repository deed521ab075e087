"""Which stages segmenters go through."""

from __future__ import annotations

from functools import partial

from cmda_core.pipeline.goal import ORACLE
from cmda_core.pipeline.plan import SOURCE_ONLY
from cmda_core.pipeline.stages.augment import augmentation_stages
from cmda_core.pipeline.stages.segment import segment, segmented_cohorts, train_segmenter
from cmda_core.pipeline.stages.selftrain import self_training_stages
from cmda_core.pipeline.stages.workshop import Stage, Workshop


def segmentation_stages(workshop: Workshop) -> list[Stage]:
    """Augmentation, training, self-training and segmentation of every entry but the oracle."""
    entries = [entry for entry in workshop.trained if entry != ORACLE]
    augmentation = augmentation_stages(workshop)
    inputs = ("prepare", "translate", *(stage.key for stage in augmentation))
    students = self_training_stages(workshop, inputs)
    taught = {stage.entry for stage in students}
    first = [
        _training(workshop, entry, ("prepare",) if entry == SOURCE_ONLY else inputs)
        for entry in entries
        if entry not in taught
    ]
    return [*augmentation, *first, *students, *(_segmentation(workshop, entry) for entry in entries)]


def _training(workshop: Workshop, entry: str, inputs: tuple[str, ...]) -> Stage:
    chosen = workshop.plan.segmenter
    folder = workshop.folder.stage("segmenter", entry)
    work = partial(train_segmenter, entry=entry)
    return Stage(
        "train-segmenter", folder, chosen.identity, inputs, work, entry, chosen.check, plugin=chosen.label
    )


def _segmentation(workshop: Workshop, entry: str) -> Stage:
    # An entry that no grader looks at is another result, but for the lower bound, which none does.
    few = entry != SOURCE_ONLY and segmented_cohorts(workshop, entry) == ("test",)
    folder = workshop.folder.stage("segmented", entry)
    after = ("prepare", f"train-segmenter:{entry}")
    identity = {"cohorts": ["test"]} if few else {}
    work, plugin = partial(segment, entry=entry), workshop.plan.segmenter.label
    return Stage("segment", folder, identity, after, work, entry, plugin=plugin)
