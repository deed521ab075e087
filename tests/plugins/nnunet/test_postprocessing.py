from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cmda_core.schema import Task
from cmda_nnunet.postprocessing import (
    CleaningRules,
    clean_labels,
    clean_probabilities,
    largest_components,
    tumour_component,
)

ALL = CleaningRules(one_tumour=True, two_cochleae=True, height_tolerance_mm=3.0)


def empty() -> np.ndarray:
    return np.zeros((12, 10, 20), dtype=np.uint8)


def test_of_the_tumours_near_the_cochleae_the_largest_stays() -> None:
    labels = empty()
    labels[1:3, 5, 5] = labels[9:11, 5, 5] = 2
    labels[3:5, 5:7, 5:7] = 1
    labels[7, 7, 5] = 1
    labels[0:6, 0:6, 15:19] = 1  # larger, but 15 mm above the cochleae
    cleaned = clean_labels(labels, (1, 1, 1.5), Task(), ALL)
    expected = empty()
    expected[1:3, 5, 5] = expected[9:11, 5, 5] = 2
    expected[3:5, 5:7, 5:7] = 1
    np.testing.assert_array_equal(cleaned, expected)


@pytest.mark.parametrize(("slice_mm", "kept"), [(1.5, 8), (1.0, 9)])
def test_tolerance_is_in_millimetres(slice_mm: float, kept: int) -> None:
    labels = empty()
    labels[1, 5, 5] = 2
    labels[3:5, 5:7, 5:7] = 1
    labels[5:8, 0:3, 8] = 1  # three slices above: 4.5 mm or 3 mm
    assert (clean_labels(labels, (1, 1, slice_mm), Task(), ALL) == 1).sum() == kept


def test_voxels_that_touch_at_a_corner_are_one_component() -> None:
    mask = np.zeros((6, 6, 6), dtype=bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True
    mask[4, 4, 4] = True
    assert largest_components(mask, 1).sum() == 2


def test_third_cochlea_goes() -> None:
    labels = empty()
    labels[0:2, 0:2, 0] = labels[8:10, 0:2, 0] = 2
    labels[5, 5, 5] = 2
    cleaned = clean_labels(labels, (1, 1, 1), Task(), ALL)
    assert cleaned[5, 5, 5] == 0
    assert (cleaned == 2).sum() == 8


def test_without_cochleae_the_largest_tumour_stays() -> None:
    tumour = np.zeros((8, 8, 8), dtype=bool)
    tumour[0, 0, 0] = tumour[4:6, 4:6, 4] = True
    kept = tumour_component(tumour, np.zeros_like(tumour), (1, 1, 1), ALL)
    assert kept.sum() == 4
    assert not kept[0, 0, 0]


@pytest.mark.parametrize(("reach_mm", "kept"), [(None, 27), (2.0, 27), (4.0, 4), (8.0, 27)])
def test_tumour_grows_out_of_a_canal_that_ends_at_a_cochlea(reach_mm: float | None, kept: int) -> None:
    labels = empty()
    labels[1, 5, 5] = 2
    labels[1, 7:9, 5:7] = 1  # begins 2 voxels of 2 mm away
    labels[9:12, 5:8, 5:8] = 1  # larger, but 8 mm away
    rules = replace(ALL, reach_mm=reach_mm)
    assert (clean_labels(labels, (1, 2, 1), Task(), rules) == 1).sum() == kept


def test_tumour_far_from_the_cochleae_is_better_than_none() -> None:
    labels = empty()
    labels[1, 1, 0] = 2
    labels[4:6, 4:6, 15] = 1
    assert (clean_labels(labels, (1, 1, 1.5), Task(), ALL) == 1).sum() == 4


def test_empty_and_lone_structures_pass() -> None:
    np.testing.assert_array_equal(clean_labels(empty(), (1, 1, 1.5), Task(), ALL), empty())
    cochlea = empty()
    cochlea[2, 2, 2] = 2
    np.testing.assert_array_equal(clean_labels(cochlea, (1, 1, 1.5), Task(), ALL), cochlea)


def test_labels_follow_the_task() -> None:
    task = Task(structures={"cochlea": 1, "meningioma": 2}, tumour="meningioma")
    labels = empty()
    labels[1, 1, 5] = labels[9, 1, 5] = labels[5, 9, 5] = 1
    labels[4:6, 4:6, 5] = 2
    labels[0, 9, 5] = 2
    cleaned = clean_labels(labels, (1, 1, 1.5), task, ALL)
    assert (cleaned == 1).sum() == 2
    assert (cleaned == 2).sum() == 4


def test_rules_can_be_switched_off() -> None:
    rules = CleaningRules(one_tumour=False, two_cochleae=False, height_tolerance_mm=0.0)
    labels = np.random.default_rng(0).integers(0, 3, (6, 7, 8)).astype(np.uint8)
    np.testing.assert_array_equal(clean_labels(labels, (1, 1, 1), Task(), rules), labels)


def test_probabilities_agree_with_cleaned_labels() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), (6, 7, 8)).transpose(3, 0, 1, 2).astype(np.float32)
    labels = probabilities.argmax(0).astype(np.uint8)
    cleaned = clean_labels(labels, (1, 1, 1), Task(), ALL)
    assert (cleaned != labels).any()
    moved = clean_probabilities(probabilities, labels, cleaned)
    np.testing.assert_array_equal(moved.argmax(0), cleaned)
    np.testing.assert_allclose(moved.sum(0), 1, atol=1e-6)
