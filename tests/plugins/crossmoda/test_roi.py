import numpy as np
import pytest

from cmda_core.volumes import LabelVolume
from cmda_core.volumes.geometry import to_mm
from cmda_crossmoda.config import CrossmodaConfig
from cmda_crossmoda.roi import box_of, centre_of, coverage, crop_grid

CONFIG = CrossmodaConfig(spacing_mm=(1.0, 2.0, 3.0), shape=(21, 11, 7))


def test_the_box_holds_all_labelled_voxels_in_mm_of_the_atlas() -> None:
    voxels = np.zeros((10, 10, 10), np.uint8)
    voxels[2, 3, 4], voxels[5, 4, 8] = 1, 2
    to_scan = np.eye(4)
    to_scan[:3, 3] = 100, 0, 0

    box = box_of(LabelVolume(voxels, np.diag([2.0, 1.0, 1.0, 1.0]), "a"), to_scan)

    assert box == ((4 - 100, 3, 4), (10 - 100, 4, 8))


def test_an_empty_label_map_has_no_box() -> None:
    assert box_of(LabelVolume(np.zeros((3, 3, 3), np.uint8), np.eye(4), "a"), np.eye(4)) is None


def test_one_failed_registration_hardly_moves_the_region() -> None:
    boxes = [((-40.0, -5.0, -10.0), (40.0, 15.0, 10.0))] * 29 + [((400.0, 0.0, 0.0), (480.0, 20.0, 20.0))]

    np.testing.assert_allclose(centre_of(boxes), [0, 5, 0], atol=1)


def test_the_middle_of_the_grid_is_the_centre() -> None:
    grid = crop_grid(np.array([5.0, -7.0, 11.0]), CONFIG)

    assert grid.shape == CONFIG.shape
    np.testing.assert_allclose(to_mm(grid.matrix, np.array([10.0, 5.0, 3.0])), [5, -7, 11])


def test_coverage_is_the_share_of_boxes_inside() -> None:
    grid = crop_grid(np.zeros(3), CONFIG)
    inside, outside = ((-9.0, -9.0, -8.0), (9.0, 9.0, 8.0)), ((-9.0, -9.0, -8.0), (9.0, 9.0, 9.5))

    assert coverage([inside, inside, outside, inside], grid) == pytest.approx(0.75)
