"""Small synthetic heads: an ellipsoid with ventricles, two cochleae and a tumour, on any grid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cmda_core.protocols import PreparationData
from cmda_core.schema import Case, Cohort, Task
from cmda_core.volumes import Grid, LabelVolume, Volume, write_volume
from cmda_core.volumes.geometry import Matrix, to_mm

HeadMaker = Callable[..., Case]

SHAPE = (56, 52, 30)
SPACING = (2.8, 3.2, 4.0)
COCHLEAE = np.array([[-34.0, 8.0, -20.0], [34.0, 8.0, -20.0]])
TUMOUR = np.array([-20.0, 4.0, -20.0])
INTENSITIES = {"ceT1": (500.0, 750.0, 250.0, 120.0, 1400.0), "hrT2": (400.0, 260.0, 1000.0, 1100.0, 380.0)}
"""Of skin, brain, ventricles, cochleae and tumour; contrasts differ between the modalities."""


def native_affine(turn_degrees: float = 0.0, flip: bool = False) -> Matrix:
    turn = np.deg2rad(turn_degrees)
    rotation = np.array([[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]])
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.diag([-SPACING[0] if flip else SPACING[0], SPACING[1], SPACING[2]])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(SHAPE) - 1) / 2)
    return affine


def draw(points: Matrix, modality: str) -> tuple[np.ndarray, np.ndarray]:
    """Intensities and labels of the head at points of shape ``(..., 3)``, RAS+ mm of the head."""

    def inside(centre: list[float] | Matrix, radii: list[float]) -> np.ndarray:
        return (((points - np.array(centre)) / radii) ** 2).sum(axis=-1) < 1

    skin, brain, ventricles, cochleae, tumour = INTENSITIES[modality]
    image = np.zeros(points.shape[:-1], np.float32)
    labels = np.zeros(points.shape[:-1], np.uint8)
    image[inside([0, 0, 0], [68, 76, 56])] = skin
    image[inside([0, 2, 4], [58, 66, 46])] = brain
    image[inside([-12, 14, 14], [7, 22, 9])] = ventricles
    image[inside([12, 8, 14], [7, 26, 9])] = ventricles
    image[inside([0, -34, -18], [34, 20, 16])] = 0.7 * brain
    image[inside([0, 62, -14], [11, 9, 14])] = 0
    for centre in COCHLEAE:
        where = inside(centre, [6, 6, 6])
        image[where], labels[where] = cochleae, 2
    where = inside(TUMOUR, [9, 9, 9])
    image[where], labels[where] = tumour, 1
    return image, labels


@pytest.fixture
def make_head(tmp_path: Path) -> HeadMaker:
    def make(
        name: str,
        modality: str,
        to_head: Matrix | None = None,
        affine: Matrix | None = None,
        gain: float = 1.0,
        labelled: bool = True,
    ) -> Case:
        """Write a head whose scanner millimetres ``to_head`` maps to those of the head itself."""
        affine = native_affine() if affine is None else affine
        fine = np.moveaxis(np.indices(SHAPE), 0, -1).astype(float)
        image, labels = draw(to_mm((np.eye(4) if to_head is None else to_head) @ affine, fine), modality)
        image = gaussian_filter(image, 0.6)  # a scanner's point spread, without which splines ring
        image += np.random.default_rng(len(name)).normal(0, 12, SHAPE)
        path = tmp_path / f"{name}_{modality}.nii.gz"
        write_volume(path, Volume(np.abs(gain * image).astype(np.float32), affine, modality, name))
        label_path = tmp_path / f"{name}_Label.nii.gz"
        write_volume(label_path, LabelVolume(labels, affine, name))
        return Case(
            id=name,
            subject=name,
            modality=modality,
            image=path,
            labels=label_path if labelled else None,
            parcellation=label_path if labelled else None,
        )

    return make


def shift(x: float, y: float, z: float, turn_degrees: float = 0.0, scale: float = 1.0) -> Matrix:
    """Scale, then turn about the axis that runs to the head, then shift by millimetres."""
    turn = np.deg2rad(turn_degrees)
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    matrix[:3, :3] *= scale
    matrix[:3, 3] = x, y, z
    return matrix


@pytest.fixture
def data(make_head: HeadMaker) -> PreparationData:
    source = (make_head("s1", "ceT1"), make_head("s2", "ceT1", shift(5, -4, 3, 4)))
    target = (make_head("t1", "hrT2", labelled=False),)
    return PreparationData(Cohort(name="source", cases=source), Cohort(name="target", cases=target))


@pytest.fixture
def task() -> Task:
    return Task()


@pytest.fixture
def oblique_grid() -> Grid:
    return Grid.model_validate({"shape": SHAPE, "affine": native_affine(17, flip=True)})
