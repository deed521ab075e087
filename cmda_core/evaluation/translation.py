"""Scores of a translation against a scan of the same subject in the other modality.

Most cohorts are unpaired, and then only the segmentations tell how good a translation was. Where a subject
was scanned in both modalities (a phantom, Vestibular-Schwannoma-SEG), the true scan tells it at once,
without the chance in the training of a segmenter. Translations have intensities of their own, so the line
that fits the true ones best is laid through them first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter

from cmda_core.errors import DataError
from cmda_core.evaluation.segmentation import Metric
from cmda_core.parallel import each_case
from cmda_core.schema import Case, Cohort, Task
from cmda_core.volumes import LabelVolume, Volume, read_labels, read_volume

SIGNAL_ERROR = Metric("signal_error", "signal error", "", higher_is_better=False, miss=1.0)
SSIM = Metric("ssim", "SSIM", "", higher_is_better=True, miss=0.0)
TRANSLATION_METRICS = (SSIM, SIGNAL_ERROR)
"""The metrics of a translation, in the order of the tables."""

WHOLE = "image"
"""What takes the place of a structure where the whole crop is scored."""

_ENDINGS = (".nii.gz", ".nii")
_EDGE = 0.05
"""Share of a voxel: headers store rounded numbers, and a voxel on the edge is not outside for that."""
_SIGMA, _K1, _K2 = 1.5, 0.01, 0.03
"""Of the structural similarity, as published."""


@dataclass(frozen=True, slots=True)
class TranslationScore:
    """How near a translation comes to the true scan, in the whole crop or in one structure.

    Attributes:
        case: Identifier of the case.
        structure: Name of the structure, or ``image``.
        ssim: Mean structural similarity of the slices, -1 to 1; NaN for a structure.
        signal_error: Root of the mean squared error in standard deviations of the true crop: 0 is perfect,
            and 1 what one grey value everywhere reaches in the whole crop; NaN if the structure is not there.
    """

    case: str
    structure: str
    ssim: float
    signal_error: float


def paired_scans(folder: Path, cases: Cohort, modality: str) -> dict[str, Path]:
    """The true scans in a folder: ``<case>_<modality>.nii.gz`` or ``.nii``, by case.

    Raises:
        DataError: If the folder is missing, or holds no scan of any of the cases.
    """
    if not folder.is_dir():
        raise DataError(f"data.paired: {folder} is no folder. Correct it, or leave it out.")
    paths = {case.id: find_scan(folder, case.id, modality) for case in cases}
    found = {case: path for case, path in paths.items() if path is not None}
    if not found:
        example = next((case.id for case in cases), "case")
        raise DataError(
            f"data.paired: {folder} holds no {modality} scan of a source case. Expected names such as "
            f"{example}_{modality}.nii.gz."
        )
    return found


def find_scan(folder: Path, case: str, modality: str) -> Path | None:
    """The file of a case's scan, if there is one."""
    paths = (folder / f"{case}_{modality}{ending}" for ending in _ENDINGS)
    return next((path for path in paths if path.is_file()), None)


def score_translations(
    translated: Cohort, scans: Mapping[str, Path], task: Task, *, jobs: int = 1
) -> list[TranslationScore]:
    """Score the translations of all cases that there are true scans of.

    Args:
        translated: Translated cases with the labels of their crops.
        scans: True scan by case.
        task: Names the structures.
        jobs: Processes.

    Raises:
        DataError: If a file cannot be used, or a true scan lies elsewhere than its translation.
    """
    cases = [case for case in translated if case.id in scans]
    arguments = [(case, scans[case.id], task) for case in cases]
    names = [case.id for case in cases]
    results = each_case(_score_files, arguments, names=names, jobs=jobs, what="score")
    return [score for of_case in results for score in of_case]


def _score_files(case: Case, scan: Path, task: Task) -> list[TranslationScore]:
    translation = read_volume(case.image, task.target, case.id)
    truth = read_volume(scan, task.target, case.id)
    labels = None if case.labels is None else read_labels(case.labels, case.id)
    try:
        return score_translation(translation, truth, labels, task.structures)
    except DataError as error:
        raise DataError(f"{scan}: {error}") from error


def score_translation(
    translation: Volume, truth: Volume, labels: LabelVolume | None, structures: Mapping[str, int]
) -> list[TranslationScore]:
    """Score one translation.

    Args:
        translation: On any grid, with intensities of any scale.
        truth: The same subject in the modality that was translated to, in the same place (RAS+ mm), on any
            grid: it is interpolated linearly, and voxels outside of it are not counted.
        labels: On the grid of the translation; without them the whole crop alone is scored.
        structures: Label of each structure.

    Returns:
        The whole crop, then each structure.

    Raises:
        DataError: If the two do not overlap, or the true scan is one grey value there.
    """
    true = voxels_at(translation, truth)
    inside = np.isfinite(true)
    spread = float(true[inside].std()) if inside.any() else 0.0
    if spread == 0:
        raise DataError(
            "holds nothing to compare where the translation lies. Is it of the same subject, and registered "
            "to the source scan?"
        )
    fitted = _fitted(translation.voxels, true, inside)
    error = (fitted - true) / spread

    def root_mean_square(where: NDArray[np.bool_]) -> float:
        return float(np.sqrt(np.mean(error[where] ** 2))) if where.any() else float("nan")

    case = translation.case
    similarity = _structural_similarity(fitted, np.where(inside, true, fitted))
    scores = [TranslationScore(case, WHOLE, float(similarity[inside].mean()), root_mean_square(inside))]
    if labels is None:
        return scores
    return scores + [
        TranslationScore(case, name, float("nan"), root_mean_square((labels.voxels == label) & inside))
        for name, label in structures.items()
    ]


def voxels_at(place: Volume, truth: Volume) -> NDArray[np.float64]:
    """A scan at the voxels of another, interpolated linearly; NaN outside of it."""
    to_truth = np.linalg.inv(truth.affine) @ place.affine
    shape = place.voxels.shape
    values = affine_transform(
        truth.voxels.astype(np.float64),
        to_truth[:3, :3],
        to_truth[:3, 3],
        output_shape=shape,
        order=1,
        mode="nearest",
    )
    i, j, k = np.ogrid[: shape[0], : shape[1], : shape[2]]
    for row, size in zip(to_truth[:3], truth.voxels.shape, strict=True):
        along = row[0] * i + row[1] * j + row[2] * k + row[3]
        values[(along < -_EDGE) | (along > size - 1 + _EDGE)] = np.nan
    return np.asarray(values)


def _fitted(
    voxels: NDArray[np.float32], true: NDArray[np.float64], inside: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The translation on the true scan's scale; one grey value if bright and dark are swapped."""
    x, y = voxels[inside].astype(np.float64), true[inside]
    variance = float(x.var())
    slope = max(float(np.mean((x - x.mean()) * (y - y.mean()))) / variance, 0.0) if variance else 0.0
    return np.asarray(slope * (voxels.astype(np.float64) - x.mean()) + y.mean())


def _structural_similarity(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Structural similarity of each voxel within its slice: Wang et al., IEEE TIP 13:600 (2004), eq. 13."""

    def blurred(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(gaussian_filter(values, (_SIGMA, _SIGMA, 0), truncate=3.5))

    span = float(b.max() - b.min())
    c1, c2 = (_K1 * span) ** 2, (_K2 * span) ** 2
    mean_a, mean_b = blurred(a), blurred(b)
    variance_a, variance_b = blurred(a * a) - mean_a**2, blurred(b * b) - mean_b**2
    covariance = blurred(a * b) - mean_a * mean_b
    return np.asarray(
        (2 * mean_a * mean_b + c1)
        * (2 * covariance + c2)
        / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2))
    )
