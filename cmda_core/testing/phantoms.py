"""Prepared phantoms: a head with a tumour and small further structures, on any grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmda_core.schema import Task
from cmda_core.volumes import LabelVolume, Volume
from cmda_core.volumes.geometry import Matrix

Shape = tuple[int, int, int]

TRAINING_SHAPE: Shape = (26, 23, 9)
"""Odd: a network that halves its input must pad and crop back."""

LPS = np.diag([-1.2, -0.9, 2.5, 1.0])
"""An axial grid, as prepared cohorts have it, with three different edges."""


def oblique(spacing: tuple[float, float, float]) -> Matrix:
    """A tilted, flipped grid that is not centred on anything.

    Args:
        spacing: Voxel edges in mm along I, J and K.
    """
    turn, tilt = np.deg2rad(17), np.deg2rad(-11)
    about_z = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_x @ np.diag([-spacing[0], spacing[1], spacing[2]])
    affine[:3, 3] = 12.25, -30.5, 7.75
    return affine


GRIDS: dict[str, tuple[Shape, Matrix]] = {
    "oblique": ((30, 26, 7), oblique((0.7, 0.9, 1.6))),
    "one slice": ((26, 30, 1), LPS),
    "odd sizes": ((33, 27, 5), LPS),
    "anisotropic": ((18, 41, 4), oblique((0.4, 1.3, 6.0))),
}
"""Images on which a trained model is tried."""


def phantom(
    task: Task,
    modality: str,
    *,
    seed: int,
    grid: tuple[Shape, Matrix] = (TRAINING_SHAPE, LPS),
    radius: float = 0.35,
) -> tuple[Volume, LabelVolume]:
    """A head with its labels.

    The tumour is bright in the source modality and dark in the target modality, so that there is
    something to learn. No axis is like another.

    Args:
        task: Modalities and structures.
        modality: Of the image.
        seed: Of tumour and noise.
        grid: Shape and affine.
        radius: Of the tumour, as a share of half the edges.
    """
    shape, affine = grid
    draw = np.random.default_rng(seed)
    axes = [np.linspace(-1, 1, edge) if edge > 1 else np.zeros(1) for edge in shape]
    points = np.stack(np.meshgrid(*axes, indexing="ij"))
    labels = np.zeros(shape, np.uint8)
    for position, label in enumerate(set(task.structures.values()) - {task.tumour_label}):
        side = -0.72 if position % 2 else 0.72
        labels[_ball(points, (side, 0.1 * position, 0.0), 0.2)] = label
    middle = draw.uniform(-0.25, 0.25, 2)
    labels[_ball(points, (middle[0], middle[1], 0.0), radius)] = task.tumour_label
    sign = 1.0 if modality == task.source else -1.0
    head = np.square(points[:2]).sum(axis=0) < 0.9
    voxels = np.where(head, -0.1 + 0.1 * points[0], -1.0)
    voxels[labels > 0] = 0.4 * sign
    voxels[labels == task.tumour_label] = 0.7 * sign
    voxels = np.clip(voxels + draw.normal(0, 0.04, shape), -1, 1).astype(np.float32)
    name = f"phantom-{modality}-{seed}"
    return Volume(voxels, affine, modality, name), LabelVolume(labels, affine, name)


def constant(modality: str, value: float) -> Volume:
    """An image that shows nothing."""
    voxels = np.full((26, 22, 5), value, np.float32)
    return Volume(voxels, LPS, modality, f"constant {value:g}")


def _ball(points: Matrix, centre: tuple[float, float, float], radius: float) -> NDArray[np.bool_]:
    away = points - np.array(centre)[:, None, None, None]
    inside: NDArray[np.bool_] = np.square(away).sum(axis=0) < radius**2
    return inside
