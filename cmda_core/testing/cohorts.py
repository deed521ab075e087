"""Tiny cohorts on disk, as the stages of a run hand them to plugins."""

from __future__ import annotations

from pathlib import Path

from cmda_core.protocols import GradingCase, GradingData, SegmentationData, SharedEncoder, TranslationData
from cmda_core.schema import Case, Cohort, Task
from cmda_core.testing.phantoms import phantom
from cmda_core.volumes import write_volume
from cmda_core.volumes.nifti import INTENSITY_STEP

HIDDEN = "hidden"
"""Name of the folder with what nobody may read: the labels of the target."""


def translation_data(folder: Path, task: Task) -> TranslationData:
    """Three labelled source cases and three target cases, whose labels are not to be read."""
    source = [_case(folder, task, task.source, f"s{seed}", seed) for seed in range(3)]
    target = [_case(folder, task, task.target, f"t{seed}", 10 + seed) for seed in range(3)]
    return TranslationData(
        Cohort(name="source", cases=tuple(source)),
        Cohort(name="target", cases=tuple(without_truth(folder, case) for case in target)),
    )


def segmentation_data(folder: Path, task: Task) -> SegmentationData:
    """Three subjects, each as a real source scan and as one that was translated from it."""
    cases = []
    for seed in range(3):
        real = _case(folder, task, task.source, f"s{seed}", seed)
        fake = _case(folder, task, task.target, f"s{seed}", seed, translated_from=task.source)
        cases += [real, fake]
    return SegmentationData(Cohort(name="segmentation", cases=tuple(cases)))


def grading_data(folder: Path, task: Task, encoder: SharedEncoder | None) -> GradingData:
    """Two subjects of each Koos grade, and four without one."""
    annotated = [_graded(folder, task, task.source, seed, 1 + seed % 4) for seed in range(8)]
    unannotated = [_graded(folder, task, task.target, 20 + seed, None) for seed in range(4)]
    return GradingData(tuple(annotated), tuple(unannotated), encoder)


def radius_of(grade: int) -> float:
    """Radius of the phantom's tumour by Koos grade."""
    return 0.16 + 0.12 * grade


def without_truth(folder: Path, case: Case) -> Case:
    """The image alone; near it lie files of labels that hold nothing but a warning."""
    for path in (case.labels, case.parcellation):
        if path is not None:
            path.unlink(missing_ok=True)
    path = folder / HIDDEN / f"{case.id}_labels.nii"
    path.parent.mkdir(exist_ok=True)
    path.write_text("labels of the target are not to be read\n", encoding="utf-8")
    return case.model_copy(update={"labels": None, "parcellation": None})


def _case(
    folder: Path, task: Task, modality: str, subject: str, seed: int, translated_from: str | None = None
) -> Case:
    name = f"{subject}_{modality}"
    image, labels = phantom(task, modality, seed=seed)
    write_volume(folder / f"{name}.nii", image, step=INTENSITY_STEP)
    write_volume(folder / f"{name}_labels.nii", labels)
    return Case(
        id=name,
        subject=subject,
        modality=modality,
        image=folder / f"{name}.nii",
        labels=folder / f"{name}_labels.nii",
        parcellation=folder / f"{name}_labels.nii",
        translated_from=translated_from,
    )


def _graded(folder: Path, task: Task, real: str, seed: int, grade: int | None) -> GradingCase:
    name = f"g{seed}"
    radius = radius_of(grade or 1 + seed % 4)
    images = {}
    for modality in task.modalities:
        image, labels = phantom(task, modality, seed=seed, radius=radius)
        images[modality] = folder / f"{name}_{modality}.nii"
        write_volume(images[modality], image, step=INTENSITY_STEP)
    write_volume(folder / f"{name}_mask.nii", labels)
    return GradingCase(name, name, images, folder / f"{name}_mask.nii", real, grade)
