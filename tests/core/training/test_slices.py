from pathlib import Path

import numpy as np
import pytest
import torch
from slice_cohorts import unpaired

from cmda_core.errors import DataError
from cmda_core.schema import Cohort
from cmda_core.training.slices import OverlapMean, SliceBatch, SliceSampler, neighbours
from cmda_core.volumes import read_labels, read_volume


def test_neighbours_repeat_the_end_slices() -> None:
    assert [neighbours(index, 3) for index in range(3)] == [[0, 0, 1], [0, 1, 2], [1, 2, 2]]


def test_samples_are_slices_of_the_cases_with_their_labels(tmp_path: Path) -> None:
    data = unpaired(tmp_path)
    sampler = SliceSampler(data.source, seed=3)
    volumes = {case.id: read_volume(case.image, case.modality) for case in data.source}
    labels = {case.id: read_labels(case.labels) for case in data.source}
    found = []
    for step in range(3):
        batch = sampler.batch(step, 1)
        for name, volume in volumes.items():
            for index in range(volume.voxels.shape[2]):
                triple = volume.voxels.transpose(2, 1, 0)[neighbours(index, volume.voxels.shape[2])]
                if np.allclose(batch.images[0], triple, atol=1e-6):
                    wanted = labels[name].voxels.transpose(2, 1, 0)[neighbours(index, volume.voxels.shape[2])]
                    assert np.array_equal(batch.labels[0], wanted)
                    found.append(name)
    assert sorted(found) == ["s0", "s1", "s2"]


def test_a_draw_depends_on_seed_step_and_stream_alone(tmp_path: Path) -> None:
    data = unpaired(tmp_path)
    first, second = (SliceSampler(data.source, seed=1, size=(8, 8), flip=True) for _ in range(2))
    first.batch(0, 4)
    assert torch.equal(first.batch(7, 2).images, second.batch(7, 2).images)
    assert not torch.equal(first.batch(7, 2).images, first.batch(7, 2, stream=1).images)
    assert not torch.equal(first.batch(7, 2).images, SliceSampler(data.source, seed=2).batch(7, 2).images)


def test_flip_mirrors_image_and_labels_along_left_right(tmp_path: Path) -> None:
    data = unpaired(tmp_path, cases=1)
    plain, flipped = (SliceSampler(data.source, seed=0, flip=flip) for flip in (False, True))
    mirrored = 0
    for step in range(12):
        one, two = plain.batch(step, 1), flipped.batch(step, 1)
        if torch.equal(one.images, two.images):
            continue
        mirrored += 1
        assert torch.equal(one.images.flip(-1), two.images)
        assert torch.equal(one.labels.flip(-1), two.labels)
    assert 2 <= mirrored <= 10


def test_batch_without_labels_has_none(tmp_path: Path) -> None:
    batch = SliceSampler(unpaired(tmp_path).target, seed=0).batch(0, 2)
    assert batch.labels is None
    assert batch.parcellation is None


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux, to see what is mapped")
def test_no_volume_stays_mapped(tmp_path: Path) -> None:
    sampler = SliceSampler(unpaired(tmp_path).source, seed=0)
    for step in range(3):
        sampler.batch(step, 1)
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()


def test_a_file_that_went_away_is_named(tmp_path: Path) -> None:
    data = unpaired(tmp_path, cases=1)
    sampler = SliceSampler(data.source, seed=0)
    data.source.cases[0].labels.unlink()
    with pytest.raises(DataError, match=r"s0_labels.nii: cannot be read any more"):
        sampler.batch(0, 1)


def test_a_file_that_became_shorter_is_named(tmp_path: Path) -> None:
    data = unpaired(tmp_path, cases=1)
    sampler = SliceSampler(data.source, seed=0)
    image = data.source.cases[0].image
    image.write_bytes(image.read_bytes()[:400])
    with pytest.raises(DataError, match=r"s0.nii: cannot be read any more \(it has become shorter\)"):
        sampler.batch(0, 1)


def test_refuses_windows_that_do_not_fit_and_empty_cohorts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="need"):
        SliceSampler(unpaired(tmp_path).source, seed=0, size=(21, 8))
    with pytest.raises(DataError, match="no cases"):
        SliceSampler(Cohort(name="empty"), seed=0)


@pytest.mark.parametrize("batch", [1, 2, 3, 4])
def test_overlapping_predictions_are_averaged_as_by_a_loop(batch: int) -> None:
    triples = np.random.default_rng(0).normal(size=(4, 3, 2, 5)).astype(np.float32)
    expected = np.zeros((5, 2, 4))
    for slice_ in range(4):
        guesses = []
        for index in range(4):
            for channel, offset in enumerate((-1, 0, 1)):
                if min(max(index + offset, 0), 3) == slice_:
                    guesses.append(triples[index, channel])
        expected[:, :, slice_] = np.mean(guesses, axis=0).T
    mean = OverlapMean(4, 2, 5)
    for start in range(0, 4, batch):
        mean.add(start, torch.from_numpy(triples[start : start + batch]))
    np.testing.assert_allclose(mean.result(), expected, rtol=1e-6)


def test_padding_repeats_the_edge_of_images_and_labels() -> None:
    images = torch.arange(2 * 3 * 5 * 6).reshape(2, 3, 5, 6)
    batch = SliceBatch(images.float(), images, None).padded(4)
    assert batch.images.shape == (2, 3, 8, 8)
    assert torch.equal(batch.images[..., :5, :6], images.float())
    assert torch.equal(batch.labels[0, 0, 7], images[0, 0, 4, [0, 1, 2, 3, 4, 5, 5, 5]])
    assert batch.padded(4) is batch


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not list open files")
def test_no_file_stays_open(tmp_path: Path) -> None:
    """A cohort may have more files than a process may hold open."""
    data = unpaired(tmp_path, cases=4)
    before = len(list(Path("/proc/self/fd").iterdir()))
    sampler = SliceSampler(data.source, seed=0)
    sampler.batch(0, 4)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
