"""Stages *train-segmenter* and *segment*."""

from __future__ import annotations

from pathlib import Path

from cmda_core.errors import BrokenPluginError
from cmda_core.pipeline.plan import SOURCE_ONLY
from cmda_core.pipeline.promises import checked_restoration, checked_segmentation
from cmda_core.pipeline.stages.augment import augmented
from cmda_core.pipeline.stages.workshop import Workshop
from cmda_core.protocols import SegmentationData, Segmenter
from cmda_core.schema import Case, Cohort, Pose
from cmda_core.volumes import read_volume, write_volume

CROPS = "crops"
"""Folder, within an entry's, of the segmentations on the grid of the unaffined crops."""


def train_segmenter(workshop: Workshop, folder: Path, *, entry: str) -> None:
    """Train a segmenter on real source scans, pooled with translated ones unless it is source-only."""
    chosen = workshop.plan.segmenter
    source = workshop.prepared("unaffined", "source")
    cohorts = [source] if entry == SOURCE_ONLY else method_cohorts(workshop)
    workshop.fit(chosen, SegmentationData(pooled(cohorts)), folder)


def method_cohorts(workshop: Workshop) -> list[Cohort]:
    """What the method's segmenter learns from: real source scans, translated ones, and copies of those."""
    return [
        workshop.prepared("unaffined", "source"),
        workshop.translated("source"),
        *augmented(workshop),
    ]


def segment(workshop: Workshop, folder: Path, *, entry: str) -> None:
    """Segment the test scans; where graders are to learn from the entry, also those that they learn from."""
    segmenter = workshop.chain.segmenter(entry)
    cases = [
        (name, case)
        for name in segmented_cohorts(workshop, entry)
        for case in workshop.prepared("unaffined", name)
    ]
    with workshop.progress.task(f"segment ({entry})", len(cases)) as advance:
        for name, case in cases:
            _segment_case(workshop, segmenter, case, folder, native=name == "test")
            advance(1)


def _segment_case(
    workshop: Workshop, segmenter: Segmenter, case: Case, folder: Path, *, native: bool
) -> None:
    crop, restored = folder / CROPS / f"{case.id}.nii", folder / f"{case.id}_Label.nii.gz"
    if crop.exists() and (restored.exists() or not native):
        return
    volume = read_volume(case.image, case.modality, case.id)
    plan = workshop.plan
    segmentation = checked_segmentation(segmenter, volume, workshop.task, plan.segmenter.label)
    if native:
        preprocessor = workshop.chain.preprocessor
        labels = checked_restoration(
            preprocessor, segmentation, pose_of(case), workshop.task, plan.preprocessor.label
        )
        write_volume(restored, labels)
    write_volume(crop, segmentation.labels)


def pose_of(case: Case) -> Pose:
    """The pose of a prepared case.

    Raises:
        BrokenPluginError: If the preprocessor gave none.
    """
    if case.pose is None:
        raise BrokenPluginError(f"case {case.id}: the preprocessor gave no way back to the native grid.")
    return case.pose


def segmented_cohorts(workshop: Workshop, entry: str) -> tuple[str, ...]:
    """Cohorts that an entry's segmenter labels: graders learn from the masks of the method's own."""
    return ("source", "target", "test") if entry == workshop.plan.entry and workshop.graders else ("test",)


def pooled(cohorts: list[Cohort]) -> Cohort:
    """Several cohorts as one, its cases named after their modality too."""
    cases = [
        case.model_copy(update={"id": f"{case.id}_{case.modality}"}) for cohort in cohorts for case in cohort
    ]
    return Cohort(name="segmentation", cases=tuple(cases))
