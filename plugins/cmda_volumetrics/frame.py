"""A coordinate frame built from the two cochleae: how far lateral, in front and above."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cmda_core.volumes import LabelVolume
from cmda_core.volumes.geometry import to_mm

Points = NDArray[np.float64]

_MINIMUM_DISTANCE_MM = 30.0
"""Cochleae lie about 70 mm apart; parts of a mask that are closer belong to the same one."""

_CONNECTIVITY = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True, slots=True)
class HeadFrame:
    """Orthonormal axes in RAS+ mm with the point midway between the cochleae as origin.

    Attributes:
        origin: Shape ``(3,)``.
        axes: Shape ``(3, 3)``; the rows point to the patient's right (from the left cochlea to the
            right one), forwards and upwards.
        cochleae: The centres that were found, shape ``(n, 3)`` with n from 0 to 2.
    """

    origin: Points
    axes: Points
    cochleae: Points

    def coordinates(self, points_mm: Points) -> Points:
        """Points in mm to the right, in front of and above the origin; ``(..., 3)`` to ``(..., 3)``."""
        return (points_mm - self.origin) @ self.axes.T


def find_frame(labels: LabelVolume, cochlea_label: int | None) -> HeadFrame:
    """Build the frame of a head.

    With one cochlea the sagittal plane through the middle of the volume takes the place of the
    midplane; with none, the middle of the volume that of the origin, too. The axes are then the
    scanner's.

    Args:
        labels: Label map on any grid.
        cochlea_label: Value of the cochleae; None if the task does not know them.
    """
    centres = np.empty((0, 3)) if cochlea_label is None else _cochleae(labels, cochlea_label)
    if len(centres) == 2:
        left, right = centres[np.argsort(centres[:, 0])]
        return HeadFrame((left + right) / 2, _axes(right - left), centres)
    middle = to_mm(labels.affine, (np.array(labels.voxels.shape, dtype=np.float64) - 1) / 2)
    origin = middle if not len(centres) else np.array([middle[0], centres[0, 1], centres[0, 2]])
    return HeadFrame(origin, np.eye(3), centres)


def _cochleae(labels: LabelVolume, label: int) -> Points:
    components, count = ndimage.label(labels.voxels == label, structure=_CONNECTIVITY)
    if not count:
        return np.empty((0, 3))
    indices = range(1, count + 1)
    sizes = np.bincount(components.ravel(), minlength=count + 1)[1:]
    centres = to_mm(labels.affine, np.array(ndimage.center_of_mass(components > 0, components, indices)))
    largest = centres[sizes.argmax()]
    far = np.linalg.norm(centres - largest, axis=1) >= _MINIMUM_DISTANCE_MM
    if not far.any():
        return largest[None]
    return np.stack([largest, centres[np.where(far, sizes, 0).argmax()]])


def _axes(rightwards: Points) -> Points:
    right = rightwards / np.linalg.norm(rightwards)
    forwards = np.array([0.0, 1.0, 0.0]) - right[1] * right
    forwards /= np.linalg.norm(forwards)
    return np.stack([right, forwards, np.cross(right, forwards)])
