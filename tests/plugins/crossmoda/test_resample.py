import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from cmda_core.volumes import Grid
from cmda_core.volumes.geometry import to_mm
from cmda_crossmoda.resample import (
    resample_image,
    resample_labels,
    resample_probabilities,
    resample_structures,
)

TARGET = Grid.model_validate(
    {"shape": (17, 15, 9), "affine": [[-2, 0, 0, 14], [0, -2.5, 0, 16], [0, 0, 3, -11], [0, 0, 0, 1]]}
)


def turned() -> np.ndarray:
    """RAS+ mm of the target to RAS+ mm of the scan: a turn, a stretch, a shift."""
    matrix = np.eye(4)
    matrix[:3, :3] = [[0.98, -0.17, 0.0], [0.18, 1.02, 0.05], [0.0, -0.06, 0.95]]
    matrix[:3, 3] = 2.0, -3.0, 1.5
    return matrix


def points_in(grid: Grid, affine: np.ndarray, to_image: np.ndarray) -> np.ndarray:
    indices = np.moveaxis(np.indices(grid.shape), 0, -1).astype(float)
    return to_mm(np.linalg.inv(affine) @ to_image @ grid.matrix, indices)


@pytest.mark.parametrize(("interpolation", "order"), [("nearest", 0), ("linear", 1), ("bspline", 3)])
def test_resampling_agrees_with_scipy(oblique_grid: Grid, interpolation: str, order: int) -> None:
    voxels = np.random.default_rng(0).normal(size=oblique_grid.shape).astype(np.float32)
    points = points_in(TARGET, oblique_grid.matrix, turned())
    expected = map_coordinates(voxels, points.transpose(3, 0, 1, 2), order=order, mode="mirror")

    result = resample_image(voxels, oblique_grid.matrix, TARGET, turned(), interpolation)

    np.testing.assert_allclose(result, expected, atol=2e-4)


@pytest.mark.parametrize("direction", [(1, 1, 1), (-1, 1, -1)])
def test_grids_with_the_axes_of_the_scan_agree_with_itk_and_scipy(direction: tuple[int, int, int]) -> None:
    voxels = np.random.default_rng(0).normal(size=(24, 20, 12)).astype(np.float32)
    steps = np.diag([0.9, 1.1, 0.7]) * np.array(direction)
    affine = np.diag([0.5, 0.6, 1.5, 1.0])
    start = np.where(np.array(direction) > 0, -2.2, np.array(voxels.shape) + 1.4)
    inner = np.eye(4)
    inner[:3, :3], inner[:3, 3] = steps, start
    grid = Grid.model_validate({"shape": (30, 22, 20), "affine": affine @ inner})

    result = resample_image(voxels, affine, grid, np.eye(4), "bspline", outside=-7.0)

    # Hardly turned, but enough for the way that works for any direction:
    turned = np.eye(4)
    turned[0, 1] = 1e-7
    general = resample_image(voxels, affine, grid, turned, "bspline", outside=-7.0)
    inside = general != -7.0
    assert (inside == (result != -7.0)).mean() > 0.999
    np.testing.assert_allclose(result[inside], general[inside], atol=5e-5)
    points = np.moveaxis(to_mm(inner, np.moveaxis(np.indices(grid.shape), 0, -1).astype(float)), -1, 0)
    within = np.all([(p > -0.49) & (p < n - 0.51) for p, n in zip(points, voxels.shape, strict=True)], axis=0)
    expected = map_coordinates(voxels, points, order=3, mode="mirror")
    np.testing.assert_allclose(result[within], expected[within], atol=2e-5)
    assert (result[np.any([p < -0.5 for p in points], axis=0)] == -7.0).all()


def test_axes_that_are_not_orthogonal_are_resampled_exactly(oblique_grid: Grid) -> None:
    sheared = oblique_grid.matrix
    sheared[:3, 1] += 0.2 * sheared[:3, 0]
    indices = np.moveaxis(np.indices(oblique_grid.shape), 0, -1).astype(float)
    ramp = (to_mm(sheared, indices) @ [1.0, 2.0, 3.0]).astype(np.float32)

    result = resample_image(ramp, sheared, TARGET, np.eye(4), "linear")

    target = np.moveaxis(np.indices(TARGET.shape), 0, -1).astype(float)
    np.testing.assert_allclose(result, to_mm(TARGET.matrix, target) @ [1.0, 2.0, 3.0], atol=1e-2)


def test_many_labels_take_the_nearest_voxel(oblique_grid: Grid) -> None:
    labels = np.random.default_rng(0).integers(0, 209, oblique_grid.shape).astype(np.uint8)
    points = np.rint(points_in(TARGET, oblique_grid.matrix, turned())).astype(int)
    expected = labels[tuple(np.moveaxis(points, -1, 0))]

    result = resample_labels(labels, oblique_grid.matrix, TARGET, turned())

    assert np.mean(result == expected) > 0.999  # ties round either way


def test_structures_take_the_largest_interpolated_share(oblique_grid: Grid) -> None:
    labels = np.zeros(oblique_grid.shape, np.uint8)
    labels[20:30, 20:30, 10:20], labels[30:36, 20:30, 10:20] = 1, 2
    points = points_in(TARGET, oblique_grid.matrix, np.eye(4)).transpose(3, 0, 1, 2)
    shares = [map_coordinates((labels == n).astype(float), points, order=1) for n in range(3)]

    result = resample_structures(labels, oblique_grid.matrix, TARGET, np.eye(4))

    assert np.mean(result == np.argmax(shares, axis=0)) > 0.999
    assert set(np.unique(result)) == {0, 1, 2}


def test_outside_of_the_probabilities_is_background(oblique_grid: Grid) -> None:
    probabilities = np.zeros((3, *TARGET.shape), np.float32)
    probabilities[1] = 1

    labels = resample_probabilities(probabilities, TARGET.matrix, oblique_grid, np.eye(4))

    indices = np.moveaxis(np.indices(oblique_grid.shape), 0, -1).astype(float)
    within = to_mm(np.linalg.inv(TARGET.matrix) @ oblique_grid.matrix, indices)
    clearly_in = ((within > 0) & (within < np.array(TARGET.shape) - 1)).all(axis=-1)
    clearly_out = ((within < -1) | (within > np.array(TARGET.shape))).any(axis=-1)
    assert labels.shape == oblique_grid.shape
    assert (labels[clearly_in] == 1).all()
    assert (labels[clearly_out] == 0).all()


def test_a_grid_elsewhere_gets_background_only(oblique_grid: Grid) -> None:
    away = np.eye(4)
    away[0, 3] = 1000.0
    probabilities = np.ones((2, *TARGET.shape), np.float32)

    assert not resample_probabilities(probabilities, TARGET.matrix, oblique_grid, away).any()
