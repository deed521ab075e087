"""Stages *train-segmenter* and *segment*."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from cmda_core.errors import BrokenPluginError
from cmda_core.pipeline.goal import ORACLE
from cmda_core.pipeline.plan import SOURCE_ONLY
from cmda_core.pipeline.stages.workshop import Stage, Workshop
from cmda_core.protocols import Segmentation, SegmentationData, Segmenter
from cmda_core.schema import Case, Cohort, Pose
from cmda_core.volumes import Volume, read_volume, write_volume

CROPS = "crops"
"""Folder, within an entry's, of the segmentations on the grid of the unaffined crops."""


def train_segmenter(workshop: Workshop, folder: Path, *, entry: str) -> None:
    """Train a segmenter on real source scans, pooled with translated ones unless it is source-only."""
    chosen = workshop.plan.segmenter
    cohorts = [workshop.prepared("unaffined", "source")]
    if entry != SOURCE_ONLY:
        cohorts.append(workshop.translated("source"))
    segmenter = chosen.offer.build(chosen.config, workshop.task)
    segmenter.fit(SegmentationData(pooled(cohorts)), workshop.run(folder))
    workshop.save(segmenter, folder)


def segment(workshop: Workshop, folder: Path, *, entry: str) -> None:
    """Segment the test scans; where graders are to learn from the entry, also those that they learn from."""
    segmenter = workshop.chain.segmenter(entry)
    cases = [
        (name, case) for name in _segmented(workshop, entry) for case in workshop.prepared("unaffined", name)
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
    segmentation = checked_segmentation(segmenter, volume, workshop.plan.segmenter.offer.name)
    if native:
        labels = workshop.chain.preprocessor.restore(segmentation, pose_of(case))
        write_volume(restored, labels)
    write_volume(crop, segmentation.labels)


def checked_segmentation(segmenter: Segmenter, volume: Volume, name: str) -> Segmentation:
    """Segment a volume and hold the segmenter to its promise.

    Raises:
        BrokenPluginError: If the labels lie on another grid.
    """
    segmentation = segmenter.segment(volume)
    if segmentation.labels.voxels.shape != volume.voxels.shape:
        raise BrokenPluginError(
            f"segmenter {name!r}: case {volume.case} went in with shape {volume.voxels.shape} and came out "
            f"with {segmentation.labels.voxels.shape}. A segmenter keeps the grid."
        )
    return segmentation


def pose_of(case: Case) -> Pose:
    """The pose of a prepared case.

    Raises:
        BrokenPluginError: If the preprocessor gave none.
    """
    if case.pose is None:
        raise BrokenPluginError(f"case {case.id}: the preprocessor gave no way back to the native grid.")
    return case.pose


def _segmented(workshop: Workshop, entry: str) -> tuple[str, ...]:
    return ("source", "target", "test") if entry == workshop.plan.entry and workshop.graders else ("test",)


def segmentation_stages(workshop: Workshop) -> list[Stage]:
    """Training and segmentation of every entry but the oracle."""
    entries = [entry for entry in workshop.trained if entry != ORACLE]
    stages = []
    for entry in entries:
        inputs = ("prepare",) if entry == SOURCE_ONLY else ("prepare", "translate")
        stages.append(
            Stage(
                "train-segmenter",
                workshop.folder.stage("segmenter", entry),
                workshop.plan.segmenter.identity,
                inputs,
                partial(train_segmenter, entry=entry),
                entry,
                workshop.plan.segmenter.check,
            )
        )
    for entry in entries:
        # An entry that no grader looks at is another result, but for the lower bound, which none does.
        few = entry == workshop.plan.entry and not workshop.graders
        stages.append(
            Stage(
                "segment",
                workshop.folder.stage("segmented", entry),
                {"cohorts": ["test"]} if few else {},
                ("prepare", f"train-segmenter:{entry}"),
                partial(segment, entry=entry),
                entry,
            )
        )
    return stages


def pooled(cohorts: list[Cohort]) -> Cohort:
    """Several cohorts as one, its cases named after their modality too."""
    cases = [
        case.model_copy(update={"id": f"{case.id}_{case.modality}"}) for cohort in cohorts for case in cohort
    ]
    return Cohort(name="segmentation", cases=tuple(cases))
