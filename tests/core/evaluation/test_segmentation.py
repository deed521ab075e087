import itertools

import numpy as np
import pytest
from medpy.metric import binary

from cmda_core.errors import DataError, GeometryError
from cmda_core.evaluation.segmentation import (
    METRICS,
    MISS_MM,
    assd_mm,
    dice,
    hd95_mm,
    score_case,
    score_missing,
)
from cmda_core.volumes import LabelVolume

SPACING = (0.41, 0.8, 1.5)
STRUCTURES = {"vs": 1, "cochlea": 2}


def blob(shape, centre, radius, spacing=SPACING):
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    return np.linalg.norm((grid - np.array(centre)) * np.array(spacing), axis=-1) <= radius


def noisy_pair(seed, shape=(24, 18, 12)):
    rng = np.random.default_rng(seed)
    first = blob(shape, (11, 9, 5), 4.5) ^ (rng.random(shape) < 0.01)
    second = blob(shape, (12, 8, 6), 4.0) ^ (rng.random(shape) < 0.01)
    return first, second


def brute_force(prediction, reference, spacing):
    """Directional surface distances from two nested loops over the definition."""

    def surface(mask):
        points = []
        for index in np.argwhere(mask):
            for axis, step in itertools.product(range(3), (-1, 1)):
                neighbour = index.copy()
                neighbour[axis] += step
                outside = (neighbour < 0).any() or (neighbour >= mask.shape).any()
                if outside or not mask[tuple(neighbour)]:
                    points.append(index * np.array(spacing))
                    break
        return points

    one, two = surface(prediction), surface(reference)
    there = [min(float(np.linalg.norm(a - b)) for b in two) for a in one]
    back = [min(float(np.linalg.norm(a - b)) for a in one) for b in two]
    return there, back


def labels(voxels, affine=None):
    affine = np.diag([*SPACING, 1.0]) if affine is None else affine
    return LabelVolume(np.asarray(voxels, dtype=np.uint8), affine, "case-1")


def test_countable_overlap():
    prediction, reference = np.zeros((2, 6, 6, 6), bool)
    prediction[0:2, 0:2, 0:2] = True
    reference[1:3, 0:2, 0:2] = True
    assert dice(prediction, reference) == 0.5
    assert assd_mm(prediction, reference, (2.0, 1.0, 1.0)) == pytest.approx(1.0)


@pytest.mark.parametrize("spacing", list(itertools.permutations(SPACING)))
def test_agrees_with_medpy_for_every_order_of_axes(spacing):
    prediction, reference = noisy_pair(1)
    there = binary.asd(prediction, reference, spacing)
    back = binary.asd(reference, prediction, spacing)
    assert dice(prediction, reference) == pytest.approx(binary.dc(prediction, reference))
    assert assd_mm(prediction, reference, spacing) == pytest.approx((there + back) / 2)
    pooled = assd_mm(prediction, reference, spacing, "pooled")
    assert pooled == pytest.approx(binary.assd(prediction, reference, spacing))
    assert hd95_mm(prediction, reference, spacing) == pytest.approx(
        binary.hd95(prediction, reference, spacing)
    )


def test_agrees_with_the_definition_spelt_out():
    prediction, reference = noisy_pair(2, shape=(12, 10, 8))
    there, back = brute_force(prediction, reference, SPACING)
    assert assd_mm(prediction, reference, SPACING) == pytest.approx((np.mean(there) + np.mean(back)) / 2)
    assert assd_mm(prediction, reference, SPACING, "pooled") == pytest.approx(np.mean(there + back))
    assert hd95_mm(prediction, reference, SPACING) == pytest.approx(np.percentile(there + back, 95))


def test_the_two_definitions_of_assd_differ():
    prediction, reference = noisy_pair(3)
    assert assd_mm(prediction, reference, SPACING) != assd_mm(prediction, reference, SPACING, "pooled")


def test_spheres_of_known_distance():
    spacing = (0.5, 0.5, 0.5)
    inner = blob((80, 80, 80), (40, 40, 40), 10, spacing)
    outer = blob((80, 80, 80), (40, 40, 40), 15, spacing)
    assert assd_mm(inner, outer, spacing) == pytest.approx(5, abs=0.15)


def test_moving_both_masks_to_the_edge_changes_nothing():
    prediction, reference = np.zeros((2, 20, 20, 20), bool)
    prediction[8:12, 8:13, 8:14] = True
    reference[9:12, 8:12, 8:13] = True
    shift = (-8, -8, -8)
    moved = [np.roll(mask, shift, axis=(0, 1, 2)) for mask in (prediction, reference)]
    assert assd_mm(*moved, SPACING) == pytest.approx(assd_mm(prediction, reference, SPACING))
    assert hd95_mm(*moved, SPACING) == pytest.approx(hd95_mm(prediction, reference, SPACING))


def test_perfect_prediction():
    _, reference = noisy_pair(4)
    assert (dice(reference, reference), assd_mm(reference, reference, SPACING)) == (1.0, 0.0)


def test_empty_prediction_is_a_miss():
    _, reference = noisy_pair(5)
    nothing = np.zeros_like(reference)
    assert dice(nothing, reference) == 0.0
    assert assd_mm(nothing, reference, SPACING) == MISS_MM == 350.0
    assert hd95_mm(nothing, reference, SPACING) == MISS_MM


def test_empty_reference_has_no_score():
    prediction, _ = noisy_pair(6)
    nothing = np.zeros_like(prediction)
    assert np.isnan(dice(prediction, nothing))
    assert np.isnan(assd_mm(prediction, nothing, SPACING))
    assert np.isnan(hd95_mm(prediction, nothing, SPACING))


def test_both_empty_is_right():
    nothing = np.zeros((4, 4, 4), bool)
    assert (dice(nothing, nothing), assd_mm(nothing, nothing, SPACING)) == (1.0, 0.0)
    assert hd95_mm(nothing, nothing, SPACING) == 0.0


def test_score_case_uses_the_grid_of_the_scan():
    truth, drawn = np.zeros((2, 20, 16, 12), np.uint8)
    truth[4:9, 4:9, 4:8] = 1
    truth[12:15, 3:5, 6:8] = 2
    drawn[5:9, 4:10, 4:8] = 1
    # The first voxel axis runs to the head and the last to the left: spacing must follow the axes.
    affine = np.array([[0, 0, -0.41, 9], [0, 0.8, 0, -3], [1.5, 0, 0, 2], [0, 0, 0, 1]])
    vs, cochlea = score_case(labels(drawn, affine), labels(truth, affine), STRUCTURES, "case-1")
    spacing = (1.5, 0.8, 0.41)
    assert vs.assd_mm == pytest.approx(assd_mm(drawn == 1, truth == 1, spacing))
    assert vs.hd95_mm == pytest.approx(binary.hd95(drawn == 1, truth == 1, spacing))
    assert vs.volume_mm3 == pytest.approx(np.count_nonzero(drawn == 1) * np.prod(spacing))
    assert vs.reference_mm3 == pytest.approx(100 * np.prod(spacing))
    assert (vs.case, vs.structure, vs.note) == ("case-1", "vs", "")
    assert (cochlea.dice, cochlea.assd_mm, cochlea.note) == (0.0, MISS_MM, "missed")


def test_score_case_without_reference_and_without_structure():
    drawn = np.zeros((8, 8, 8), np.uint8)
    drawn[2:4, 2:4, 2:4] = 1
    vs, cochlea = score_case(labels(drawn), labels(np.zeros_like(drawn)), STRUCTURES, "case-1")
    assert np.isnan(vs.dice)
    assert vs.note == "no reference"
    assert (cochlea.dice, cochlea.note) == (1.0, "absent")


def test_another_grid_is_refused():
    voxels = np.ones((4, 4, 4), np.uint8)
    moved = np.diag([*SPACING, 1.0])
    moved[0, 3] = 2.0
    with pytest.raises(GeometryError, match=r"prediction of case-1: lies up to 2.00 mm away"):
        score_case(labels(voxels, moved), labels(voxels), STRUCTURES, "case-1")


def test_a_label_that_is_no_structure_is_refused():
    voxels = np.full((4, 4, 4), 3, np.uint8)
    with pytest.raises(DataError, match="the prediction holds label 3, but the task has vs = 1, cochlea = 2"):
        score_case(labels(voxels), labels(np.zeros_like(voxels)), STRUCTURES, "case-1")


def test_a_case_without_prediction_counts_as_missed():
    truth = np.zeros((8, 8, 8), np.uint8)
    truth[2:4, 2:4, 2:4] = 1
    vs, cochlea = score_missing(labels(truth), STRUCTURES, "case-1")
    assert [getattr(vs, metric.name) for metric in METRICS] == [0.0, 350.0, 350.0]
    assert vs.reference_mm3 == pytest.approx(8 * np.prod(SPACING))
    assert vs.note == "no prediction"
    assert np.isnan(cochlea.dice)
