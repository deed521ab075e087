"""Pseudo-labels against computations voxel by voxel."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from cmda_core.errors import DataError
from cmda_core.protocols import Segmentation
from cmda_core.pseudolabels import (
    PseudoLabel,
    choose_scans,
    make_pseudo_label,
    read_verdicts,
    write_verdicts,
)
from cmda_core.schema import SelfTraining, Task
from cmda_core.volumes import LabelVolume

SHAPE = (9, 8, 7)
AFFINE = np.diag([-0.5, -0.8, 1.5, 1.0])
VOXEL_MM3 = 0.5 * 0.8 * 1.5
ALL_COMPONENTS = SelfTraining(components={})

Voxel = tuple[int, ...]


def segmentation(seed: int = 0) -> Segmentation:
    """Noise of three labels, with many small components and every degree of certainty."""
    draw = np.random.default_rng(seed).gamma(0.4, size=(3, *SHAPE))
    draw[0] += 0.5
    shares = (draw / draw.sum(axis=0)).astype(np.float32)
    return Segmentation(LabelVolume(shares.argmax(axis=0).astype(np.uint8), AFFINE, "anna"), shares)


def voxels_with(labels: LabelVolume, label: int) -> set[Voxel]:
    return {at for at in itertools.product(*map(range, SHAPE)) if labels.voxels[at] == label}


def components(voxels: Iterable[Voxel]) -> list[set[Voxel]]:
    left, found = set(voxels), []
    while left:
        front = {left.pop()}
        component = set(front)
        while front:
            near = {
                tuple(a + b for a, b in zip(at, step, strict=True))
                for at in front
                for step in itertools.product((-1, 0, 1), repeat=3)
            }
            front = near & left
            left -= front
            component |= front
        found.append(component)
    return found


def test_confidence_is_the_mean_probability_of_the_label() -> None:
    given = segmentation()
    labels, found = make_pseudo_label(given, Task(), ALL_COMPONENTS)
    np.testing.assert_array_equal(labels.voxels, given.labels.voxels)
    for name, label in (("vs", 1), ("cochlea", 2)):
        inside = voxels_with(given.labels, label)
        assert found.volume_mm3[name] == pytest.approx(len(inside) * VOXEL_MM3)
        mean = sum(float(given.probabilities[(label, *at)]) for at in inside) / len(inside)
        assert found.confidence[name] == pytest.approx(mean)
    assert (found.case, found.uncertain) == ("anna", 0)


def test_the_largest_components_stay() -> None:
    given = segmentation(1)
    labels, _ = make_pseudo_label(given, Task(), SelfTraining())
    for label, count in ((1, 1), (2, 2)):
        sizes = sorted(map(len, components(voxels_with(given.labels, label))), reverse=True)
        assert len(sizes) > count
        kept = components(voxels_with(labels, label))
        assert sorted(map(len, kept), reverse=True) == sizes[:count]
        assert voxels_with(labels, label) <= voxels_with(given.labels, label)


@pytest.mark.parametrize(("uncertain", "becomes"), [("ignore", 3), ("background", 0)])
def test_uncertain_voxels_are_ignored_or_lose_their_label(uncertain: str, becomes: int) -> None:
    given = segmentation()
    settings = SelfTraining.model_validate(
        {"components": {}, "voxel_confidence": 0.6, "uncertain": uncertain}
    )
    labels, found = make_pseudo_label(given, Task(), settings)
    unsure = 0
    for at in itertools.product(*map(range, SHAPE)):
        if max(float(given.probabilities[(label, *at)]) for label in range(3)) < 0.6:
            unsure += 1
            assert labels.voxels[at] == becomes
        else:
            assert labels.voxels[at] == given.labels.voxels[at]
    assert 0 < unsure < np.prod(SHAPE)
    assert found.uncertain == pytest.approx(unsure / np.prod(SHAPE))
    assert found.volume_mm3["vs"] == pytest.approx(len(voxels_with(labels, 1)) * VOXEL_MM3)
    _, before = make_pseudo_label(given, Task(), ALL_COMPONENTS)
    assert found.confidence == before.confidence


def test_the_segmentation_is_left_alone() -> None:
    given = segmentation()
    before = given.labels.voxels.copy(), given.probabilities.copy()
    make_pseudo_label(given, Task(), SelfTraining(voxel_confidence=0.9))
    np.testing.assert_array_equal(given.labels.voxels, before[0])
    np.testing.assert_array_equal(given.probabilities, before[1])


def scan(case: str, vs: float, cochlea: float, volumes: tuple[float, float] = (800.0, 60.0)) -> PseudoLabel:
    return PseudoLabel(
        case, {"vs": vs, "cochlea": cochlea}, dict(zip(("vs", "cochlea"), volumes, strict=True)), 0.0
    )


SCANS = [
    scan("sure", 0.95, 0.9),
    scan("vague", 0.99, 0.4),
    scan("half", 0.9, 0.0, (800.0, 0.0)),
    scan("fair", 0.8, 0.85),
    scan("surest", 0.97, 0.96),
    scan("dim", 0.8, 0.8, (800.0, 0.0)),
    scan("empty", 0.0, 0.0, (0.0, 0.0)),
]


def kept(settings: SelfTraining) -> list[str]:
    return [verdict.label.case for verdict in choose_scans(SCANS, settings) if verdict.kept]


def test_a_scan_needs_every_structure_and_enough_certainty_of_each() -> None:
    assert kept(SelfTraining(min_confidence=0.5)) == ["sure", "fair", "surest"]
    assert kept(SelfTraining(min_confidence=0.85)) == ["sure", "surest"]
    assert kept(SelfTraining(min_confidence=0)) == ["sure", "vague", "fair", "surest"]
    incomplete = SelfTraining(min_confidence=0.5, complete=False)
    assert kept(incomplete) == ["sure", "half", "fair", "surest", "dim"]
    reasons = {verdict.label.case: verdict.reason for verdict in choose_scans(SCANS, SelfTraining())}
    assert reasons["vague"] == "cochlea is uncertain (0.40)"
    assert reasons["half"] == "cochlea not found"
    assert reasons["dim"] == "no voxel of cochlea is certain"
    assert reasons["empty"] == "vs not found and cochlea not found"


def test_a_share_keeps_the_most_confident_scans_in_their_order() -> None:
    assert kept(SelfTraining(share=0.4)) == ["sure", "surest"]
    assert kept(SelfTraining(share=0.01)) == ["surest"]
    assert kept(SelfTraining(share=0.4, min_confidence=0.96)) == ["surest"]


def test_the_table_gives_back_what_was_written(tmp_path: Path) -> None:
    verdicts = choose_scans(SCANS, SelfTraining())
    write_verdicts(tmp_path / "table.csv", verdicts)
    assert read_verdicts(tmp_path / "table.csv") == verdicts
    (tmp_path / "table.csv").write_text("case,structure,confidence\nanna,vs,high\n")
    with pytest.raises(DataError, match=r"table\.csv: is no table of pseudo-labels"):
        read_verdicts(tmp_path / "table.csv")
