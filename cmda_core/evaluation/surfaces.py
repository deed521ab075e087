"""Distances between the surfaces of two binary masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, generate_binary_structure
from scipy.spatial import KDTree

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]

FACES = generate_binary_structure(3, 1)
"""Voxels that share a face are neighbours: the 1-connectivity of MedPy."""


@dataclass(frozen=True, slots=True, eq=False)
class SurfaceDistances:
    """Distance of each surface voxel of one mask to the nearest surface voxel of the other, in mm.

    Attributes:
        to_reference: One value per surface voxel of the prediction, float64.
        to_prediction: One value per surface voxel of the reference, float64.
    """

    to_reference: NDArray[np.float64]
    to_prediction: NDArray[np.float64]

    @property
    def pooled(self) -> NDArray[np.float64]:
        """The distances of both directions in one array."""
        return np.concatenate([self.to_reference, self.to_prediction])


def surface_distances(prediction: Mask, reference: Mask, spacing: Spacing) -> SurfaceDistances:
    """Measure how far apart two surfaces lie.

    A voxel is on the surface if one of its six neighbours is outside of the mask or of the array.

    Args:
        prediction: Boolean, shape ``(I, J, K)``, with at least one voxel set.
        reference: The same.
        spacing: Voxel edge lengths in mm along I, J and K.

    Raises:
        ValueError: If a mask is empty: distances to nothing are not defined.
    """
    if not prediction.any() or not reference.any():
        raise ValueError("surface distances need two masks that are not empty")
    region = union_box(prediction, reference)
    first = _surface_points(prediction[region], spacing)
    second = _surface_points(reference[region], spacing)
    return SurfaceDistances(KDTree(second).query(first)[0], KDTree(first).query(second)[0])


def union_box(first: NDArray[Any], second: NDArray[Any]) -> tuple[slice, slice, slice]:
    """The smallest box around all non-zero voxels of two arrays of shape ``(I, J, K)``.

    It is empty if both arrays are zero everywhere.
    """
    occupied = (first != 0) | (second != 0)
    i, j, k = (_extent(occupied.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1)))
    return i, j, k


def _extent(occupied: Mask) -> slice:
    indices = np.flatnonzero(occupied)
    return slice(int(indices[0]), int(indices[-1]) + 1) if indices.size else slice(0, 0)


def _surface_points(mask: Mask, spacing: Spacing) -> NDArray[np.float64]:
    surface = mask & ~binary_erosion(mask, FACES)
    return np.argwhere(surface) * np.array(spacing)
