"""Scans as they are acquired: whole heads in arbitrary units, on grids of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmda_core.protocols import PreparationData
from cmda_core.schema import Case, Cohort, Task
from cmda_core.testing.cohorts import without_truth
from cmda_core.volumes import LabelVolume, Volume, write_volume
from cmda_core.volumes.geometry import Matrix, to_mm

TUMOUR_MM = np.array([-20.0, 4.0, -20.0])
"""Middle of the tumour in RAS+ mm of the head; its radius is 10 mm."""

_SHAPE = (52, 50, 32)
_SPACING = (3.0, 3.3, 3.8)
_SIDE_MM = 34.0


def preparation_data(folder: Path, task: Task) -> PreparationData:
    """Two labelled source heads and two target heads, whose labels are not to be read."""
    source = [
        write_head(folder, task, task.source, f"s{number}", turn, shift_mm=shift)
        for number, (turn, shift) in enumerate(((0.0, 0.0), (4.0, 5.0)))
    ]
    target = [
        write_head(folder, task, task.target, f"t{number}", turn, shift_mm=-3.0, flip=bool(number))
        for number, turn in enumerate((0.0, -5.0))
    ]
    return PreparationData(
        Cohort(name="source", cases=tuple(source)),
        Cohort(name="target", cases=tuple(without_truth(folder, case) for case in target)),
    )


def write_head(
    folder: Path,
    task: Task,
    modality: str,
    name: str,
    turn_degrees: float = 0.0,
    *,
    shift_mm: float = 0.0,
    flip: bool = False,
    spacing: tuple[float, float, float] = _SPACING,
    shape: tuple[int, int, int] = _SHAPE,
) -> Case:
    """Write a labelled head.

    Args:
        folder: Where to.
        task: Modalities and structures.
        modality: Of the scan.
        name: Of case and subject.
        turn_degrees: Of the scanner's grid about the axis from left to right.
        shift_mm: Of the head within the scanner, to the front.
        flip: Whether I runs to the left.
        spacing: Voxel edges in mm along I, J and K.
        shape: Voxels along I, J and K.
    """
    affine = _native(turn_degrees, flip, spacing, shape)
    points = to_mm(affine, np.moveaxis(np.indices(shape), 0, -1).astype(np.float64))
    image, labels = _draw(points - np.array([0.0, shift_mm, 0.0]), task, modality)
    noise = np.random.default_rng(len(name)).normal(0, 8, shape)
    stem = f"{name}_{modality}"
    write_volume(
        folder / f"{stem}.nii.gz", Volume(np.abs(image + noise).astype(np.float32), affine, modality, name)
    )
    write_volume(folder / f"{stem}_labels.nii.gz", LabelVolume(labels, affine, name))
    return Case(
        id=name,
        subject=name,
        modality=modality,
        image=folder / f"{stem}.nii.gz",
        labels=folder / f"{stem}_labels.nii.gz",
        parcellation=folder / f"{stem}_labels.nii.gz",
    )


def write_constant(folder: Path, modality: str, shape: tuple[int, int, int] = _SHAPE) -> Case:
    """Write a scan that shows nothing."""
    name = f"constant-{shape[2]}"
    path = folder / f"{name}.nii.gz"
    write_volume(
        path, Volume(np.full(shape, 100, np.float32), _native(0, False, _SPACING, shape), modality, name)
    )
    return Case(id=name, subject=name, modality=modality, image=path)


def _native(turn_degrees: float, flip: bool, spacing: tuple[float, ...], shape: tuple[int, ...]) -> Matrix:
    turn = np.deg2rad(turn_degrees)
    rotation = np.array([[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]])
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.diag([-spacing[0] if flip else spacing[0], *spacing[1:]])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def _draw(points: Matrix, task: Task, modality: str) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Intensities and labels at points ``(..., 3)`` in RAS+ mm of the head; edges are a few mm wide."""

    def share(centre: tuple[float, float, float] | Matrix, radii: tuple[float, float, float]) -> Matrix:
        distance = np.sqrt((((points - np.array(centre)) / radii) ** 2).sum(axis=-1))
        return np.clip((1 - distance) * min(radii) / 3 + 0.5, 0, 1)

    bright = modality == task.source
    image = np.zeros(points.shape[:-1])
    labels = np.zeros(points.shape[:-1], np.uint8)

    def fill(amount: Matrix, level: float) -> None:
        image[...] = image * (1 - amount) + level * amount

    fill(share((0, 0, 0), (68, 76, 56)), 500 if bright else 400)
    fill(share((0, 2, 4), (58, 66, 46)), 750 if bright else 260)
    fill(share((-12, 14, 14), (8, 22, 10)), 250 if bright else 1000)
    fill(share((12, 8, 14), (8, 26, 10)), 250 if bright else 1000)
    fill(share((0, -34, -18), (34, 20, 16)), 520 if bright else 180)
    fill(share((0, 62, -14), (12, 10, 14)), 0)
    others = sorted(set(task.structures.values()) - {task.tumour_label})
    for position, label in enumerate(others):
        for side in (-_SIDE_MM, _SIDE_MM):
            amount = share((side, 8.0 - 14 * position, -20.0), (7, 7, 7))
            fill(amount, 120 if bright else 1100)
            labels[amount > 0.5] = label
    amount = share(TUMOUR_MM, (10, 10, 10))
    fill(amount, 1400 if bright else 640)
    labels[amount > 0.5] = task.tumour_label
    return image, labels
