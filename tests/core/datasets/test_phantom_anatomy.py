"""The phantom's anatomy and contrasts, measured on what was painted."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from cmda_core.datasets.phantom.acquisition import Protocol, place_grid
from cmda_core.datasets.phantom.contrast import SEQUENCES, signal
from cmda_core.datasets.phantom.dataset import draw_graded
from cmda_core.datasets.phantom.rendering import paint
from cmda_core.datasets.phantom.shapes import Ellipsoid, Points, Tube
from cmda_core.datasets.phantom.tissues import (
    BRAINSTEM,
    CORTICAL_BONE,
    FAT,
    GREY_MATTER,
    TISSUES,
    TUMOUR,
    WATER,
    WHITE_MATTER,
    Structure,
)

SPACING = (1.2, 1.2, 1.5)
TOUCHING_MM = float(np.linalg.norm(SPACING))
"""Voxels that share at least a corner touch."""

FLAT = dict.fromkeys(Structure, 1.0)


def painted(grade, seed=0):
    random = np.random.default_rng([grade, seed])
    subject = draw_graded(grade, random)
    grid = place_grid(Protocol(SPACING, (90, 72, 40), "LPS", 1000, 0.0), random)
    return subject, grid, paint(subject, grid, FLAT)


@pytest.fixture(scope="module")
def subjects():
    return {grade: painted(grade) for grade in (1, 2, 3, 4)}


def millilitres(mask):
    return mask.sum() * np.prod(SPACING) / 1000


def gap_mm(painting):
    """Distance between the centres of the nearest voxels of tumour and brainstem."""
    stem = np.isin(painting.structures, BRAINSTEM)
    return ndimage.distance_transform_edt(~stem, sampling=SPACING)[painting.labels == 1].min()


def test_grade_shows_in_the_distance_between_tumour_and_brainstem(subjects):
    gaps = {grade: gap_mm(painting) for grade, (_, _, painting) in subjects.items()}
    assert gaps[1] > gaps[2] > TOUCHING_MM
    assert gaps[3] <= TOUCHING_MM
    assert gaps[4] <= TOUCHING_MM


def test_only_grade_four_moves_brainstem_and_fourth_ventricle(subjects):
    for grade, (subject, grid, painting) in subjects.items():
        resting = replace(subject, tumour=replace(subject.tumour, push=0.0))
        before = paint(resting, grid, FLAT).structures
        moved = {}
        for name, structures in (("stem", BRAINSTEM), ("ventricle", (Structure.FOURTH_VENTRICLE,))):
            centres = [
                np.argwhere(np.isin(found, structures)).mean(0) * SPACING
                for found in (before, painting.structures)
            ]
            moved[name] = np.linalg.norm(centres[1] - centres[0])
        assert (moved["stem"] > 1.0) == (grade == 4), (grade, moved)
        assert (moved["ventricle"] > 1.0) == (grade == 4), (grade, moved)


def test_tumours_have_clinical_volumes(subjects):
    volumes = [millilitres(painting.labels == 1) for _, _, painting in subjects.values()]
    for volume, (low, high) in zip(volumes, [(0.05, 0.4), (0.2, 1.2), (0.6, 3.5), (3, 14)], strict=True):
        assert low < volume < high
    assert volumes == sorted(volumes)


def test_cochleae_have_their_size_and_distance(subjects):
    for _, _, painting in subjects.values():
        labelled, count = ndimage.label(painting.labels == 2, np.ones((3, 3, 3)))
        assert count == 2
        for part in (1, 2):
            assert 70 < 1000 * millilitres(labelled == part) < 120
        centres = np.array(ndimage.center_of_mass(labelled > 0, labelled, (1, 2))) * SPACING
        assert 64 < np.linalg.norm(centres[0] - centres[1]) < 80


def test_contrasts_are_ordered_as_in_reality():
    t1 = {tissue: signal(tissue, SEQUENCES["ceT1"]) for tissue in TISSUES.values()}
    t2 = {tissue: signal(tissue, SEQUENCES["hrT2"]) for tissue in TISSUES.values()}
    assert t1[TUMOUR] > 1.3 * t1[WHITE_MATTER]
    assert t1[WHITE_MATTER] > t1[GREY_MATTER] > t1[WATER] > t1[CORTICAL_BONE]
    assert t1[FAT] > t1[WHITE_MATTER]
    assert t2[WATER] > 2 * t2[TUMOUR]
    assert t2[TUMOUR] > t2[GREY_MATTER] > t2[CORTICAL_BONE]


@pytest.mark.parametrize(
    ("shape", "volume"),
    [
        (Ellipsoid((1, -2, 3), (5, 4, 6)), 4 / 3 * np.pi * 120),
        (Tube(((-4, 0, 0), (4, 0, 0)), (2, 2)), np.pi * 4 * 8 + 4 / 3 * np.pi * 8),
    ],
)
def test_shapes_have_the_volumes_of_the_formula(shape, volume):
    x, y, z = np.meshgrid(*[np.arange(-9.9, 10, 0.25, dtype=np.float32)] * 3, indexing="ij")
    inside = shape.distance(Points(x, y, z)) < 0
    assert inside.sum() * 0.25**3 == pytest.approx(volume, rel=0.02)
    assert shape.box.low[0] <= x[inside].min()
    assert x[inside].max() <= shape.box.high[0]
