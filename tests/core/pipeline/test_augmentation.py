"""Copies of translated scans in which structures have another signal."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from cmda_core.errors import ConfigError
from cmda_core.pipeline import run_experiment
from cmda_core.pipeline.stages.augment import choose_copies, with_paint, with_signal
from cmda_core.progress import Silent
from cmda_core.registry import Registry
from cmda_core.schema import Case, Cohort, Experiment, IntensityAugmentation
from cmda_core.volumes import LabelVolume, Volume, read_labels, read_volume

COHORT = Cohort(
    name="translated",
    cases=tuple(Case(id=f"s{n}", subject=f"s{n}", modality="hrT2", image=Path(f"{n}.nii")) for n in range(8)),
)


def augmenting(experiment: Experiment, **settings: object) -> Experiment:
    return Experiment.model_validate(experiment.model_dump() | {"intensity_augmentation": settings})


def run(experiment: Experiment, folder: Path, registry: Registry, **options: object) -> None:
    run_experiment(experiment, folder, registry=registry, progress=Silent(), **options)  # type: ignore[arg-type]


def learnt_from(folder: Path, entry: str) -> list[str]:
    found: list[str] = json.loads((folder / "segmenter" / entry / "cases.json").read_text())
    return found


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.7])
def test_the_signal_of_the_structures_alone_is_multiplied(factor: float) -> None:
    draw = np.random.default_rng(1)
    image = Volume(draw.uniform(-1, 1, (5, 4, 3)).astype(np.float32), np.eye(4), "hrT2", "anna")
    labels = LabelVolume(draw.integers(0, 3, (5, 4, 3)).astype(np.uint8), np.eye(4), "anna")
    before = image.voxels.copy()
    found = with_signal(image, labels, [1], factor)
    for at in itertools.product(range(5), range(4), range(3)):
        expected = image.voxels[at]
        if labels.voxels[at] == 1:
            expected = min(1.0, (image.voxels[at] + 1) * factor - 1)
        assert found.voxels[at] == pytest.approx(expected, abs=1e-6)
    assert found.voxels.dtype == np.float32
    np.testing.assert_array_equal(image.voxels, before)


def test_painted_structures_are_even_with_soft_edges() -> None:
    draw = np.random.default_rng(1)
    voxels = draw.uniform(-0.4, 0.4, (20, 20, 20)).astype(np.float32)
    voxels[:, :, :5] = -1  # air, which is not counted
    labels = np.zeros(voxels.shape, np.uint8)
    labels[6:14, 6:14, 8:16] = 1
    image = Volume(voxels, np.eye(4), "hrT2", "anna")

    found = with_paint(image, LabelVolume(labels, np.eye(4), "anna"), [1], 0.8).voxels

    level = 0.8 * np.median(voxels[:, :, 5:] + 1) - 1
    np.testing.assert_allclose(found[8:12, 8:12, 10:14], level, atol=1e-3)
    np.testing.assert_allclose(found[:4], voxels[:4], atol=1e-6)
    edge = found[5, 10, 12] - voxels[5, 10, 12]  # one voxel outside: a part of the way
    assert 0.02 < edge / (level - voxels[5, 10, 12]) < 0.3
    assert found.dtype == np.float32


def test_share_and_spread_are_drawn_by_the_seed_and_the_factor_s_number() -> None:
    settings = IntensityAugmentation(factors=(0.5, 1.5), share=0.5, spread=0.2)
    copies = choose_copies(COHORT, settings, seed=3)
    assert [number for _, number, _ in copies] == [1] * 4 + [2] * 4
    assert all(0.4 <= factor <= 0.6 for _, number, factor in copies if number == 1)
    assert all(1.2 <= factor <= 1.8 for _, number, factor in copies if number == 2)
    assert len({factor for _, _, factor in copies}) == 8
    assert len({case.id for case, number, _ in copies if number == 1}) == 4
    assert choose_copies(COHORT, settings, seed=3) == copies
    assert choose_copies(COHORT, settings, seed=4) != copies
    alone = IntensityAugmentation(factors=(0.5,), share=0.5, spread=0.2)
    assert choose_copies(COHORT, alone, seed=3) == copies[:4]
    whole = choose_copies(COHORT, IntensityAugmentation(factors=(0.5,)), seed=3)
    assert [(case.id, factor) for case, _, factor in whole] == [(case.id, 0.5) for case in COHORT]


def test_the_segmenter_learns_from_the_copies_too(
    experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    run(augmenting(experiment, factors=[0.5]), tmp_path, registry, until="train-segmenter")
    plain = [f"crossmoda2021_ldn_{n}_{modality}" for modality in ("ceT1", "hrT2") for n in (1, 2, 3)]
    copies = [f"crossmoda2021_ldn_{n}_signal1_hrT2" for n in (1, 2, 3)]
    assert learnt_from(tmp_path, "toy") == plain + copies
    assert learnt_from(tmp_path, "source-only") == plain[:3]
    cohort = Cohort.load(tmp_path / "augmented" / "source.json")
    for case, original in zip(cohort, Cohort.load(tmp_path / "translated" / "source.json"), strict=True):
        assert (case.subject, case.translated_from, case.grade) == (original.subject, "ceT1", original.grade)
        assert case.labels is not None
        assert original.labels is not None
        labels = read_labels(case.labels, case.id).voxels
        np.testing.assert_array_equal(labels, read_labels(original.labels, case.id).voxels)
        before, after = (read_volume(one.image, "hrT2").voxels for one in (original, case))
        np.testing.assert_array_equal(after[labels != 1], before[labels != 1])
        np.testing.assert_allclose(after[labels == 1] + 1, (before[labels == 1] + 1) / 2, atol=1e-4)


def test_other_copies_change_the_segmenter_and_not_the_translation(
    experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    run(experiment, tmp_path, registry, until="segment")
    done = {stage: (tmp_path / stage / "stage.json").read_bytes() for stage in ("prepared", "translated")}
    plain = (tmp_path / "segmenter" / "toy" / "stage.json").read_bytes()
    run(augmenting(experiment, factors=[0.5], structures=["cochlea"]), tmp_path, registry, until="segment")
    assert {stage: (tmp_path / stage / "stage.json").read_bytes() for stage in done} == done
    assert (tmp_path / "segmenter" / "toy" / "stage.json").read_bytes() != plain
    run(experiment, tmp_path, registry, until="segment")
    mark = json.loads((tmp_path / "segmenter" / "toy" / "stage.json").read_text())
    assert mark["fingerprint"] == json.loads(plain)["fingerprint"]


def test_structures_that_are_not_of_the_task_are_named(
    experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"'nerve' is no structure of the task\. It has vs, cochlea"):
        run(augmenting(experiment, factors=[0.5], structures=["nerve"]), tmp_path / "run", registry)
    assert not (tmp_path / "run").exists()
