"""Scores of translations: against published code, and what they must not depend on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from cmda_core.errors import DataError
from cmda_core.evaluation.translation import TranslationScore, paired_scans, score_translation
from cmda_core.schema import Case, Cohort
from cmda_core.volumes import LabelVolume, Volume

AFFINE = np.array([[0.0, -0.8, 0, 40], [0.7, 0, 0, -30], [0, 0, 1.5, 5], [0, 0, 0, 1]])
STRUCTURES = {"vs": 1, "cochlea": 2}
SHAPE = (24, 20, 6)


def scan(voxels: NDArray[np.float64], affine: NDArray[np.float64] = AFFINE) -> Volume:
    return Volume(voxels.astype(np.float32), affine, "hrT2", "case")


@pytest.fixture
def true() -> NDArray[np.float64]:
    return np.random.default_rng(0).uniform(100, 900, SHAPE)


@pytest.fixture
def labels() -> LabelVolume:
    voxels = np.zeros(SHAPE, np.uint8)
    voxels[4:9, 5:12, 2:5] = 1
    return LabelVolume(voxels, AFFINE, "case")


def scores(translation: Volume, truth: Volume, labels: LabelVolume | None = None) -> list[TranslationScore]:
    return score_translation(translation, truth, labels, STRUCTURES)


def test_the_error_is_that_of_the_best_line(true: NDArray[np.float64], labels: LabelVolume) -> None:
    fake = true / 500 + np.random.default_rng(1).normal(0, 0.3, SHAPE)
    image, vs, cochlea = scores(scan(fake), scan(true), labels)

    slope, offset = np.polyfit(fake.ravel(), true.ravel(), 1)
    error = slope * fake + offset - true
    assert image.signal_error == pytest.approx(np.sqrt((error**2).mean()) / true.std(), rel=1e-5)
    inside = error[labels.voxels == 1]
    assert vs.signal_error == pytest.approx(np.sqrt((inside**2).mean()) / true.std(), rel=1e-5)
    assert [image.structure, vs.structure, cochlea.structure] == ["image", "vs", "cochlea"]
    assert np.isnan([vs.ssim, cochlea.ssim, cochlea.signal_error]).all()


def test_the_similarity_is_that_of_scikit_image_on_every_slice(true: NDArray[np.float64]) -> None:
    fake = true + np.random.default_rng(1).normal(0, 200, SHAPE)
    (image,) = scores(scan(fake), scan(true))

    slope, offset = np.polyfit(fake.ravel(), true.ravel(), 1)
    maps = [
        structural_similarity(
            slope * fake[..., k] + offset,
            true[..., k],
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=true.max() - true.min(),
            full=True,
        )[1]
        for k in range(SHAPE[2])
    ]
    assert image.ssim == pytest.approx(np.mean(maps), abs=1e-5)


def test_a_perfect_translation_may_have_any_scale(true: NDArray[np.float64]) -> None:
    (image,) = scores(scan(true * 0.002 - 1), scan(true))
    assert image.ssim == pytest.approx(1, abs=1e-5)
    assert image.signal_error == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("fake", ["swapped", "flat"])
def test_swapped_or_missing_contrast_is_no_translation(true: NDArray[np.float64], fake: str) -> None:
    voxels = 1000 - true if fake == "swapped" else np.full(SHAPE, 3.0)
    (image,) = scores(scan(voxels), scan(true))
    assert image.signal_error == pytest.approx(1)
    assert image.ssim < 0.5


def test_the_true_scan_may_have_another_grid_and_a_smaller_field_of_view() -> None:
    i, j, k = np.indices(SHAPE, dtype=float)
    ramp = 3 * i + 5 * j + 7 * k
    # Every second voxel along I, from the second slice on, with the axes in another order.
    turned = AFFINE @ np.array([[0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]])
    truth = scan(ramp[::2, :, 1:].transpose(1, 0, 2), turned)
    broken = ramp.copy()
    broken[..., 0] = -1000  # where there is nothing to compare with
    (image,) = scores(scan(broken), truth)
    assert image.signal_error == pytest.approx(0, abs=1e-4)


def test_a_scan_of_another_place_is_refused(true: NDArray[np.float64]) -> None:
    away = AFFINE.copy()
    away[0, 3] += 1000
    with pytest.raises(DataError, match="registered"):
        scores(scan(true), scan(true, away))


def test_paired_scans_are_found_by_name(tmp_path: Path) -> None:
    cases = Cohort(
        name="source",
        cases=tuple(Case(id=name, subject=name, image=tmp_path / name, modality="ceT1") for name in "ab"),
    )
    with pytest.raises(DataError, match=r"holds no hrT2 scan .* a_hrT2\.nii\.gz"):
        paired_scans(tmp_path, cases, "hrT2")
    with pytest.raises(DataError, match="is no folder"):
        paired_scans(tmp_path / "missing", cases, "hrT2")
    (tmp_path / "b_hrT2.nii.gz").touch()
    (tmp_path / "a_ceT1.nii.gz").touch()
    assert paired_scans(tmp_path, cases, "hrT2") == {"b": tmp_path / "b_hrT2.nii.gz"}
