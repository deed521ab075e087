"""Stage *augment*: copies of translated source scans in which structures have another signal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from cmda_core.errors import DataError
from cmda_core.pipeline.stages.workshop import Stage, Workshop
from cmda_core.schema import Case, Cohort, IntensityAugmentation
from cmda_core.volumes import LabelVolume, Volume, read_labels, read_volume, write_volume
from cmda_core.volumes.nifti import INTENSITY_STEP

FWHM_TO_SIGMA = 0.425
DARK = 0.1
"""Signals below a twentieth of the range are air and bone."""

_COHORT = "source.json"


def augmentation_stages(workshop: Workshop) -> list[Stage]:
    """The stage, if the experiment asks for copies."""
    settings = workshop.plan.experiment.intensity_augmentation
    if not settings.factors:
        return []
    folder = workshop.folder.stage("augmented")
    return [Stage("augment", folder, settings.model_dump(mode="json"), ("prepare", "translate"), augment)]


def augmented(workshop: Workshop) -> list[Cohort]:
    """The copies that the stage made, if the experiment asks for some."""
    if not workshop.plan.experiment.intensity_augmentation.factors:
        return []
    return [Cohort.load(workshop.folder.stage("augmented") / _COHORT)]


def augment(workshop: Workshop, folder: Path) -> None:
    """Write the copies: same labels, same subject, another signal within the structures.

    Raises:
        DataError: If a translated scan has no labels.
    """
    settings = workshop.plan.experiment.intensity_augmentation
    labels = labels_to_change(settings, workshop.task.structures, workshop.task.tumour)
    originals = workshop.translated("source")
    copies = choose_copies(originals, settings, workshop.runtime.seed)
    cases = []
    with workshop.progress.task("augment", len(copies)) as advance:
        for original, number, factor in copies:
            cases.append(_write_copy(original, number, factor, labels, settings.mode, folder))
            advance(1)
    Cohort(name="source (augmented)", cases=tuple(cases)).save(folder / _COHORT)


def labels_to_change(settings: IntensityAugmentation, structures: dict[str, int], tumour: str) -> list[int]:
    """Label values of the structures whose signal is changed."""
    return [structures[name] for name in settings.structures or (tumour,)]


def choose_copies(
    originals: Cohort, settings: IntensityAugmentation, seed: int
) -> list[tuple[Case, int, float]]:
    """Which scans are copied: the scan, the number of the factor (from 1), and the copy's own factor.

    A factor's choice depends on the seed and its number alone, so that another factor in the list does
    not change it.
    """
    count = max(1, round(settings.share * len(originals)))
    copies = []
    for number, factor in enumerate(settings.factors, 1):
        random = np.random.default_rng([seed, number])
        chosen = sorted(random.permutation(len(originals))[:count].tolist())
        drawn = factor * (1 + settings.spread * random.uniform(-1, 1, count))
        copies += [
            (originals.cases[index], number, float(own)) for index, own in zip(chosen, drawn, strict=True)
        ]
    return copies


def with_signal(image: Volume, labels: LabelVolume, changed: list[int], factor: float) -> Volume:
    """Multiply the signal within structures.

    Args:
        image: Intensities in [-1, 1]; -1 is no signal.
        labels: On the grid of ``image``.
        changed: Label values of the structures.
        factor: Of the signal.

    Returns:
        Intensities in [-1, 1]; the rest of the image is as it was.
    """
    inside: NDArray[np.bool_] = np.isin(labels.voxels, changed)
    voxels = image.voxels.copy()
    voxels[inside] = np.clip((voxels[inside] + 1) * np.float32(factor) - 1, -1, 1)
    return image.with_voxels(voxels)


def with_paint(image: Volume, labels: LabelVolume, changed: list[int], factor: float) -> Volume:
    """Give structures an even signal, as if they were of one tissue.

    Args:
        image: Intensities in [-1, 1]; -1 is no signal.
        labels: On the grid of ``image``.
        changed: Label values of the structures.
        factor: Of the median signal of what is not dark in the image.

    Returns:
        Intensities in [-1, 1]; edges are as soft as by a point spread of one voxel (FWHM).
    """
    inside = np.isin(labels.voxels, changed).astype(np.float32)
    cover = gaussian_filter(inside, FWHM_TO_SIGMA)
    signal = image.voxels + 1
    tissue = signal[signal > DARK]
    level = np.float32(factor * (np.median(tissue) if tissue.size else 0))
    return image.with_voxels(np.clip(signal + cover * (level - signal) - 1, -1, 1).astype(np.float32))


def _write_copy(
    original: Case, number: int, factor: float, labels: list[int], mode: str, folder: Path
) -> Case:
    name = f"{original.id}_signal{number}"
    path = folder / f"{name}_{original.modality}.nii"
    if not path.exists():
        if original.labels is None:
            raise DataError(f"case {original.id}: has no labels, so the signal of no structure can change.")
        image = read_volume(original.image, original.modality, original.id)
        change = with_paint if mode == "paint" else with_signal
        copy = change(image, read_labels(original.labels, original.id), labels, factor)
        write_volume(path, copy, step=INTENSITY_STEP)
    return original.model_copy(update={"id": name, "image": path})
