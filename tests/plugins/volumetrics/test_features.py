from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from cmda_core.schema import Task
from cmda_core.volumes import LabelVolume
from cmda_volumetrics.features import FEATURE_NAMES, TumourFeatures, largest_distance, measure

CANAL_MM = 10.1
SPACING = (0.5, 1.0, 2.0)
SHAPE = (200, 60, 30)


def lps(spacing: Sequence[float], yaw_degrees: float = 0.0) -> NDArray[np.float64]:
    """Axial LPS grid, turned about the head's vertical axis; the volume's middle is at 0."""
    angle = np.deg2rad(yaw_degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-spacing[0], -spacing[1], spacing[2]])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(SHAPE) - 1) / 2)
    return affine


def head(*, tumour: bool = True, cochleae: int = 2, yaw_degrees: float = 0.0) -> LabelVolume:
    """A box-shaped tumour on the patient's left (high I) and cochleae 70 mm apart."""
    voxels = np.zeros(SHAPE, dtype=np.uint8)
    # Cochleae of 3 x 3 x 3 voxels, centred at I = 29 and I = 169: 140 voxels of 0.5 mm apart.
    for centre in (169, 29)[:cochleae]:
        voxels[centre - 1 : centre + 2, 29:32, 14:17] = 2
    if tumour:
        # Centres from I = 125 to 156, J = 26 to 37, K = 13 to 18.
        voxels[125:157, 26:38, 13:19] = 1
    return LabelVolume(voxels, lps(SPACING, yaw_degrees), "phantom")


def expect(features: TumourFeatures, **values: float) -> None:
    for name, value in values.items():
        assert getattr(features, name) == pytest.approx(value, abs=1e-6), name


@pytest.mark.parametrize("yaw", [0.0, 17.0])
def test_millimetres_of_a_box_on_an_anisotropic_and_an_oblique_grid(yaw: float) -> None:
    features = measure(head(yaw_degrees=yaw), Task(), CANAL_MM)
    volume_mm3 = 32 * 12 * 6  # voxels of 1 mm3
    midplane = (125 - 99) * 0.5  # the cochleae's midplane is at I = 99
    expect(
        features,
        volume_cm3=volume_mm3 / 1000,
        equivalent_diameter_mm=(6 * volume_mm3 / np.pi) ** (1 / 3),
        lateral_extent_mm=31 * 0.5,
        anterior_extent_mm=11 * 1.0,
        vertical_extent_mm=5 * 2.0,
        components=1,
        main_share=1,
        midplane_mm=midplane,
        midpoint_mm=midplane,  # the box spans the height and depth of the midpoint
        reach_mm=35 - midplane,
        extrameatal_length_mm=35 - midplane - CANAL_MM,
        posterior_reach_mm=7 * 1.0,  # J = 37, seven voxels behind the cochleae at J = 30
    )
    # Of the I positions 125 to 156, those less than 24.9 mm from the midplane at I = 99 (I < 149).
    expect(features, extrameatal_cm3=(149 - 125) * 12 * 6 / 1000)
    expect(features, diameter_mm=float(np.linalg.norm([15.5, 11, 10])))


def test_the_two_sides_measure_the_same() -> None:
    left = head()
    right = LabelVolume(left.voxels[::-1].copy(), left.affine, left.case)
    np.testing.assert_allclose(
        measure(left, Task(), CANAL_MM).vector(), measure(right, Task(), CANAL_MM).vector(), atol=1e-6
    )


def test_a_ball_is_rounder_than_a_box() -> None:
    grid = np.indices((41, 41, 41)).astype(float) - 20
    ball = (np.linalg.norm(grid, axis=0) <= 15).astype(np.uint8)
    features = measure(LabelVolume(ball, np.diag([-1.0, -1.0, 1.0, 1.0]), "ball"), Task(), CANAL_MM)
    assert features.sphericity == pytest.approx(1, abs=0.05)
    assert features.diameter_mm == pytest.approx(30, abs=1)
    assert measure(head(), Task(), CANAL_MM).sphericity < 0.95


def test_parts_are_counted() -> None:
    labels = head()
    labels.voxels[125:157, 26:38, 20:22] = 1
    expect(measure(labels, Task(), CANAL_MM), components=2, main_share=6 / 8)


@pytest.mark.parametrize("cochleae", [0, 1, 2])
def test_without_a_tumour_sizes_are_zero(cochleae: int) -> None:
    features = measure(head(tumour=False, cochleae=cochleae), Task(), CANAL_MM)
    expect(features, volume_cm3=0, diameter_mm=0, components=0, reach_mm=0)
    assert np.isnan(features.midplane_mm)


def test_with_one_cochlea_the_middle_of_the_volume_is_the_midplane() -> None:
    features = measure(head(cochleae=1), Task(), CANAL_MM)
    expect(features, midplane_mm=(125 - 99.5) * 0.5, reach_mm=(169 - 125) * 0.5)


def test_the_other_side_stands_in_for_a_missing_cochlea() -> None:
    labels = head(cochleae=2)
    labels.voxels[160:] = 0
    features = measure(labels, Task(), CANAL_MM)
    expect(features, midplane_mm=(125 - 99.5) * 0.5, reach_mm=(99.5 - 29) * 0.5 - (125 - 99.5) * 0.5)


def test_without_cochleae_the_reach_is_unknown() -> None:
    for features in (
        measure(head(cochleae=0), Task(), CANAL_MM),
        measure(head(), Task(structures={"vs": 1, "other": 2}), CANAL_MM),
    ):
        assert np.isnan(features.reach_mm)
        assert np.isnan(features.extrameatal_cm3)
        expect(features, volume_cm3=2.304, midplane_mm=(125 - 99.5) * 0.5)


def test_crumbs_beside_a_cochlea_are_not_taken_for_the_other_one() -> None:
    labels = head()
    expected = measure(labels, Task(), CANAL_MM).vector()
    labels.voxels[29 + 5, 30, 15] = 2
    np.testing.assert_allclose(measure(labels, Task(), CANAL_MM).vector(), expected)


def test_a_single_voxel_and_a_full_volume_can_be_measured() -> None:
    for voxels in (np.zeros((5, 5, 5), dtype=np.uint8), np.ones((5, 5, 5), dtype=np.uint8)):
        voxels[2, 2, 2] = 1
        values = measure(LabelVolume(voxels, np.eye(4), "tiny"), Task(), CANAL_MM).vector()
        known = [name for name, value in zip(FEATURE_NAMES, values, strict=True) if np.isfinite(value)]
        assert "sphericity" in known
        assert len(known) == len(FEATURE_NAMES) - 3


@pytest.mark.parametrize("shape", ["ball", "sheet", "rod", "voxel", "noise"])
def test_the_largest_diameter_is_that_of_itk(shape: str) -> None:
    i, j, k = np.indices((24, 20, 16)) - np.array([12, 10, 8])[:, None, None, None]
    mask = {
        "ball": i**2 + j**2 + k**2 < 60,
        "sheet": (np.abs(i) < 8) & (np.abs(j) < 7) & (k == 0),
        "rod": (np.abs(i) < 9) & (j == 0) & (k == 0),
        "voxel": (i == 0) & (j == 0) & (k == 0),
        "noise": np.random.default_rng(0).random(i.shape) < 0.3,
    }[shape]
    image = sitk.GetImageFromArray(np.pad(mask, 1).astype(np.uint8).transpose(2, 1, 0))
    image.SetSpacing(SPACING)
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.ComputeFeretDiameterOn()
    statistics.Execute(image)
    found = largest_distance(np.argwhere(mask) * SPACING)
    assert found == pytest.approx(statistics.GetFeretDiameter(1), abs=1e-6)
