"""What plugins return, held against the promises of their protocols before it is used or written.

In all of these functions ``label`` is the kind and the name of the plugin, as messages call it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from cmda_core.errors import ContractError, GeometryError
from cmda_core.pipeline.blame import blamed
from cmda_core.protocols import (
    Crop,
    CropName,
    Grader,
    GradingInput,
    KoosPrediction,
    PreparedCase,
    Preprocessor,
    Segmentation,
    Segmenter,
    Translator,
)
from cmda_core.schema import Case, Pose, Task
from cmda_core.volumes import Grid, LabelVolume, Volume, require_same_grid

ROUNDING = 1e-3
"""Prepared intensities may leave [-1, 1] by so much, and sums of probabilities be off."""


def checked_translation(translator: Translator, volume: Volume, to: str, label: str) -> Volume:
    """Translate a volume and hold the translator to its promise.

    Raises:
        ContractError: If the result is of another type, grid, modality or range, or holds NaN.
        BrokenPluginError: If the translator raises what it should not.
    """
    with blamed(label, "translate"):
        result: object = translator.translate(volume, to)
    rule = _Rule(label, volume.case)
    if not isinstance(result, Volume):
        rule.broken(f"translate() returned a {_type(result)}", "A translator returns a Volume")
    rule.same_grid(result, volume.grid, "A translator keeps the grid")
    if result.modality != to:
        rule.broken(f"was to become {to} and became {result.modality!r}", "Give with_voxels() the modality")
    rule.intensities(result.voxels)
    return result


def checked_segmentation(segmenter: Segmenter, volume: Volume, task: Task, label: str) -> Segmentation:
    """Segment a volume and hold the segmenter to its promise.

    Raises:
        ContractError: If the result is of another type or grid, or holds labels that the task does not
            have or probabilities that are none.
        BrokenPluginError: If the segmenter raises what it should not.
    """
    with blamed(label, "segment"):
        result: object = segmenter.segment(volume)
    rule = _Rule(label, volume.case)
    if not isinstance(result, Segmentation):
        rule.broken(f"segment() returned a {_type(result)}", "A segmenter returns a Segmentation")
    rule.labels(result.labels, volume.grid, task, "A segmenter keeps the grid")
    rule.probabilities(result.probabilities, (1 + len(task.structures), *volume.voxels.shape))
    return result


def checked_restoration(
    preprocessor: Preprocessor, segmentation: Segmentation, pose: Pose, task: Task, label: str
) -> LabelVolume:
    """Bring a segmentation back to the grid of its scan and hold the preprocessor to its promise.

    Raises:
        ContractError: If the labels are not on the grid of the scan, or not those of the task.
        BrokenPluginError: If the preprocessor raises what it should not.
    """
    with blamed(label, "restore"):
        labels = preprocessor.restore(segmentation, pose)
    rule = _Rule(label, segmentation.labels.case)
    rule.labels(labels, pose.native, task, "restore() goes back to the grid of the scan")
    return labels


def checked_preparation(
    preprocessor: Preprocessor, case: Case, label: str, crops: tuple[CropName, ...]
) -> PreparedCase:
    """Prepare a case and hold the preprocessor to its promise.

    Raises:
        ContractError: If a crop is missing, of another modality or range, or holds NaN, or its labels lie
            on another grid.
        BrokenPluginError: If the preprocessor raises what it should not.
    """
    with blamed(label, "prepare"):
        prepared: object = preprocessor.prepare(case)
    rule = _Rule(label, case.id)
    if not isinstance(prepared, PreparedCase) or not isinstance(prepared.crops, Mapping):
        rule.broken(f"prepare() returned a {_type(prepared)}", "A preprocessor returns a PreparedCase")
    for wanted in crops:
        crop: object = prepared.crops.get(wanted)
        if not isinstance(crop, Crop):
            rule.broken(f"has no crop {wanted!r}", "A preprocessor cuts both crops")
        _check_crop(crop, case, rule)
    return prepared


def checked_grade(grader: Grader, subject: GradingInput, label: str) -> KoosPrediction:
    """Grade a subject and hold the grader to its promise.

    Raises:
        ContractError: If the answer is of another type or case, no grade, or has no probabilities.
        BrokenPluginError: If the grader raises what it should not.
    """
    with blamed(label, "grade"):
        result: object = grader.grade(subject)
    rule = _Rule(label, subject.case)
    if not isinstance(result, KoosPrediction):
        rule.broken(f"grade() returned a {_type(result)}", "A grader returns a KoosPrediction")
    if result.case != subject.case:
        rule.broken(f"was graded as {result.case!r}", "A grader keeps the case")
    if isinstance(result.grade, bool) or result.grade not in (1, 2, 3, 4):
        rule.broken(f"got the grade {result.grade!r}", "A Koos grade is 1, 2, 3 or 4")
    shares = np.asarray(result.probabilities, dtype=object)
    try:
        values = shares.astype(np.float64)
    except (TypeError, ValueError):
        values = np.array([np.nan])
    if values.shape != (4,) or not _is_distribution(values, axis=0):
        rule.broken(
            f"got the probabilities {result.probabilities!r}", "They are four, from 0 to 1, with a sum of 1"
        )
    return result


def _check_crop(crop: Crop, case: Case, rule: _Rule) -> None:
    if not isinstance(crop.image, Volume) or not isinstance(crop.pose, Pose):
        rule.broken("has a crop without image or pose", "A crop has both")
    if crop.image.modality != case.modality:
        rule.broken(
            f"is {case.modality} and was prepared as {crop.image.modality!r}", "prepare() keeps the modality"
        )
    rule.intensities(crop.image.voxels)
    for labels in (crop.labels, crop.parcellation):
        if labels is not None:
            rule.same_grid(labels, crop.image.grid, "Labels lie on the grid of their crop")


class _Rule:
    """Words a broken promise."""

    def __init__(self, label: str, case: str) -> None:
        self._start = f"{label}: case {case}"

    def broken(self, found: str, rule: str) -> NoReturn:
        raise ContractError(f"{self._start} {found}. {rule}.")

    def same_grid(self, found: Volume | LabelVolume, grid: Grid, rule: str) -> None:
        if found.voxels.shape != grid.shape:
            self.broken(
                f"went in with shape {tuple(grid.shape)} and came out with {tuple(found.voxels.shape)}", rule
            )
        try:
            require_same_grid(grid, found.grid, ("its image", "the result"))
        except GeometryError as error:
            raise ContractError(f"{self._start}: {error} {rule}.") from error

    def intensities(self, voxels: Any) -> None:
        if not isinstance(voxels, np.ndarray) or voxels.dtype != np.float32:
            self.broken(f"came out as {_dtype(voxels)}", "Intensities are a numpy array of float32")
        if not np.isfinite(voxels).all():
            self.broken(
                "came out with NaN or infinite intensities",
                "Did its training diverge? Try a lower learning rate",
            )
        low, high = float(voxels.min()), float(voxels.max())
        if low < -1 - ROUNDING or high > 1 + ROUNDING:
            self.broken(
                f"came out with intensities from {low:.4g} to {high:.4g}",
                "Prepared intensities lie in [-1, 1]",
            )

    def labels(self, labels: Any, grid: Grid, task: Task, rule: str) -> None:
        if not isinstance(labels, LabelVolume):
            self.broken(f"came out as a {_type(labels)}", "Labels are a LabelVolume")
        if not isinstance(labels.voxels, np.ndarray) or labels.voxels.dtype != np.uint8:
            self.broken(f"came out with labels as {_dtype(labels.voxels)}", "They are a numpy array of uint8")
        self.same_grid(labels, grid, rule)
        highest = int(labels.voxels.max(initial=0))
        if highest > len(task.structures):
            self.broken(f"came out with label {highest}", f"The task has 0 to {len(task.structures)}")

    def probabilities(self, values: Any, shape: tuple[int, ...]) -> None:
        if not isinstance(values, np.ndarray) or values.shape != shape:
            found = values.shape if isinstance(values, np.ndarray) else _type(values)
            self.broken(f"came out with probabilities of {found}", f"They are an array of shape {shape}")
        if not _is_distribution(values, axis=0):
            self.broken(
                "came out with probabilities that are none",
                "Those of a voxel lie from 0 to 1 and have a sum of 1",
            )


def _is_distribution(values: Any, axis: int) -> bool:
    if not np.isfinite(values).all() or values.min() < -ROUNDING or values.max() > 1 + ROUNDING:
        return False
    return bool(np.abs(values.sum(axis=axis) - 1).max() <= 20 * ROUNDING)


def _type(value: object) -> str:
    return type(value).__name__


def _dtype(value: object) -> str:
    return str(value.dtype) if isinstance(value, np.ndarray) else f"a {_type(value)}"
