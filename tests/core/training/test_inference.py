import numpy as np
import pytest
import torch
from slice_cohorts import AFFINE

from cmda_core.training.inference import translate_volume
from cmda_core.volumes import Volume


@pytest.fixture
def volume() -> Volume:
    voxels = np.random.default_rng(0).uniform(-1, 1, (13, 11, 7)).astype(np.float32)
    return Volume(voxels, AFFINE, "ceT1", "case")


@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_the_identity_gives_the_volume_back(volume: Volume, batch_size: int) -> None:
    sizes = []

    def same(slices: torch.Tensor) -> torch.Tensor:
        sizes.append(tuple(slices.shape))
        return slices

    result = translate_volume(
        same, volume, "hrT2", stride=4, batch_size=batch_size, device=torch.device("cpu")
    )
    np.testing.assert_allclose(result.voxels, volume.voxels, atol=1e-6)
    assert (result.modality, result.voxels.dtype) == ("hrT2", np.float32)
    assert max(count for count, *_ in sizes) <= batch_size
    assert {size[1:] for size in sizes} == {(3, 12, 16)}


def test_results_are_clipped(volume: Volume) -> None:
    result = translate_volume(
        lambda slices: 3 * slices, volume, "hrT2", stride=1, batch_size=4, device=torch.device("cpu")
    )
    assert np.abs(result.voxels).max() == 1
