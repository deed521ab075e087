from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cmda_core.errors import DataError
from cmda_core.schema import Case, Cohort
from cmda_core.volumes import LabelVolume, Volume, read_labels, read_volume, write_volume
from cmda_core.volumes.nifti import INTENSITY_STEP
from cmda_unet.sampling import LabelledSlices, normalised


def test_intensities_are_normalised_over_the_case(cohort: Cohort) -> None:
    case = Cohort(name="one", cases=cohort.cases[:1])
    slices = LabelledSlices(case, foreground=0, seed=0)
    image = normalised(read_volume(case.cases[0].image, "ceT1").voxels)
    assert image.mean() == pytest.approx(0, abs=1e-5)
    assert image.std() == pytest.approx(1, abs=1e-5)
    labels = read_labels(case.cases[0].labels).voxels  # type: ignore[arg-type]
    images, truths = slices.batch(0, 8)
    for triple, truth in zip(images.numpy(), truths.numpy(), strict=True):
        fits = [k for k in range(10) if np.abs(triple[1] - image[:, :, k].T).max() < 1e-3]
        assert len(fits) == 1
        (k,) = fits
        np.testing.assert_array_equal(truth, labels[:, :, k].T)
        np.testing.assert_allclose(triple[0], image[:, :, max(k - 1, 0)].T, atol=1e-3)
        np.testing.assert_allclose(triple[2], image[:, :, min(k + 1, 9)].T, atol=1e-3)


def test_a_constant_image_becomes_zero() -> None:
    assert not normalised(np.full((3, 4, 5), 0.25, np.float32)).any()


@pytest.mark.parametrize(("share", "least"), [(0.5, 4), (1.0, 8), (0.0, 0)])
def test_the_last_slices_of_a_batch_hold_structures(cohort: Cohort, share: float, least: int) -> None:
    slices = LabelledSlices(cohort, foreground=share, seed=1)
    for number in range(10):
        _, labels = slices.batch(number, 8)
        assert all(bool(one.any()) for one in labels[8 - least :])


def test_rare_structures_come_as_often_as_large_ones(cohort: Cohort) -> None:
    """The tumour reaches over four slices and the cochleae over two of them."""
    slices = LabelledSlices(cohort, foreground=1, seed=2)
    _, labels = slices.batch(0, 600)
    share = float((labels == 2).flatten(1).any(dim=1).float().mean())
    assert share == pytest.approx(0.5 + 0.5 * 2 / 4, abs=0.06)


def test_a_batch_depends_on_its_number_alone(cohort: Cohort) -> None:
    first, again = (LabelledSlices(cohort, foreground=0.5, seed=3) for _ in range(2))
    first.batch(0, 4)
    for one, other in zip(first.batch(5, 4), again.batch(5, 4), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(first.batch(5, 4)[0], first.batch(6, 4)[0])


def test_every_case_is_seen_once_an_epoch(cohort: Cohort) -> None:
    slices = LabelledSlices(cohort, foreground=0, seed=4)
    images, _ = slices.batch(2, len(cohort))
    levels = sorted(round(float(image.mean()), 4) for image in images)
    assert len(set(levels)) == len(cohort)


def test_what_cannot_be_trained_on_is_refused(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no cases to train a segmenter on"):
        LabelledSlices(Cohort(name="none"), foreground=0, seed=0)
    bare = cohort.cases[0].model_copy(update={"labels": None})
    with pytest.raises(DataError, match="s0_ceT1: has no labels"):
        LabelledSlices(Cohort(name="bare", cases=(bare,)), foreground=0, seed=0)
    odd = _odd(tmp_path)
    with pytest.raises(DataError, match=r"slices of \(7, 8\) pixels .* have \(24, 20\)"):
        LabelledSlices(Cohort(name="odd", cases=(cohort.cases[0], odd)), foreground=0, seed=0)
    mixed = odd.model_copy(update={"labels": cohort.cases[0].labels})
    with pytest.raises(DataError, match="Prepare the case again"):
        LabelledSlices(Cohort(name="mixed", cases=(mixed,)), foreground=0, seed=0)


def _odd(folder: Path) -> Case:
    image = Volume(np.zeros((8, 7, 3), np.float32), np.eye(4), "ceT1", "odd")
    write_volume(folder / "odd.nii", image, step=INTENSITY_STEP)
    write_volume(folder / "labels.nii", LabelVolume(np.zeros((8, 7, 3), np.uint8), np.eye(4), "odd"))
    return Case(
        id="odd", subject="odd", modality="ceT1", image=folder / "odd.nii", labels=folder / "labels.nii"
    )
