"""Removes false components from a segmentation, as the paper's authors do after nnU-Net."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cmda_core.evaluation.surfaces import union_box
from cmda_core.schema import Task
from cmda_core.volumes.components import Mask, largest_components

COCHLEA = "cochlea"
"""Name of the structure of which there is one on either side of the head."""

_NEIGHBOURS = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True, slots=True)
class CleaningRules:
    """Which components stay.

    Attributes:
        one_tumour: Keep one tumour component.
        two_cochleae: Keep at most two cochlea components.
        height_tolerance_mm: How far above or below the cochleae the tumour may end.
        reach_mm: How far from a cochlea the tumour may begin; nothing if that does not matter.
    """

    one_tumour: bool
    two_cochleae: bool
    height_tolerance_mm: float
    reach_mm: float | None = None


def clean_labels(
    labels: NDArray[np.uint8], spacing: tuple[float, float, float], task: Task, rules: CleaningRules
) -> NDArray[np.uint8]:
    """Set the voxels of components that cannot be right to background.

    Args:
        labels: Shape ``(I, J, K)``, K towards the head.
        spacing: Of the voxels along I, J and K, in mm.
        task: Tells the label of the tumour, and that of the structure ``cochlea`` if there is one.
        rules: Which components stay.

    Returns:
        A new array; ``labels`` is left alone.
    """
    cleaned = labels.copy()
    found = union_box(labels, labels)
    if cleaned[found].size:
        _clean(cleaned[found], spacing, task, rules)
    return cleaned


def _clean(
    cleaned: NDArray[np.uint8], spacing: tuple[float, float, float], task: Task, rules: CleaningRules
) -> None:
    """Clean in place; how far the array reaches around the structures makes no difference."""
    cochlea = task.structures.get(COCHLEA)
    if cochlea is not None and rules.two_cochleae:
        cleaned[(cleaned == cochlea) & ~largest_components(cleaned == cochlea, 2)] = 0
    if rules.one_tumour:
        cochleae = cleaned == cochlea if cochlea is not None else np.zeros(cleaned.shape, dtype=bool)
        tumour = cleaned == task.tumour_label
        cleaned[tumour & ~tumour_component(tumour, cochleae, spacing, rules)] = 0


def tumour_component(
    tumour: Mask, cochleae: Mask, spacing: tuple[float, float, float], rules: CleaningRules
) -> Mask:
    """The largest 26-connected tumour component within reach of a cochlea.

    With no component in reach it is the largest at about their height, and with none there, or without
    cochleae, the largest of all.

    Args:
        tumour: Shape ``(I, J, K)``.
        cochleae: Of the same shape.
        spacing: Of the voxels along I, J and K, in mm.
        rules: How near is near.
    """
    if not cochleae.any():
        return largest_components(tumour, 1)
    components, _ = ndimage.label(tumour, structure=_NEIGHBOURS)
    for near in _nearnesses(cochleae, spacing, rules):
        found = components[near & tumour]
        if found.size:
            return largest_components(np.isin(components, found), 1)
    return largest_components(tumour, 1)


def _nearnesses(cochleae: Mask, spacing: tuple[float, float, float], rules: CleaningRules) -> Iterator[Mask]:
    """Where a tumour should be found, the strictest first."""
    if rules.reach_mm is not None:
        yield ndimage.distance_transform_edt(~cochleae, sampling=spacing) <= rules.reach_mm
    heights = np.flatnonzero(cochleae.any(axis=(0, 1)))
    tolerance = math.ceil(rules.height_tolerance_mm / spacing[2])
    at_height = np.zeros_like(cochleae)
    at_height[:, :, max(0, heights[0] - tolerance) : heights[-1] + tolerance + 1] = True
    yield at_height


def clean_probabilities(
    probabilities: NDArray[np.float32], labels: NDArray[np.uint8], cleaned: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Move the probability of removed voxels to background, so that it agrees with the labels.

    Args:
        probabilities: Shape ``(1 + structures, I, J, K)``.
        labels: Before cleaning.
        cleaned: After cleaning.
    """
    result = probabilities.copy()
    for label in range(1, len(probabilities)):
        removed = (labels == label) & (cleaned != label)
        result[0, removed] += result[label, removed]
        result[label, removed] = 0
    return result
