from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cmda_core.errors import GeometryError, ModalityError
from cmda_core.protocols import GradingCase
from cmda_core.volumes import LabelVolume, Volume, write_volume
from cmda_koosnet.crops import cut_mask, cut_triples, find_window, open_subject

SHAPE = (20, 40, 50)  # K, J, I


def stack() -> np.ndarray:
    return np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)


def tumour(*box: slice) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[box] = True
    return mask


def test_the_window_is_centred_on_the_tumour() -> None:
    mask = tumour(slice(9, 12), slice(18, 23), slice(28, 33))
    window = find_window(mask, slices=8, edge=16, align=False)
    assert window.slices.tolist() == list(range(6, 14))
    assert (window.top, window.left, window.height, window.width) == (12, 22, 16, 16)
    cut = cut_mask(mask, window, mirror=False, stride=1)
    assert cut.shape == (1, 8, 16, 16)
    assert cut.sum() == mask.sum()


@pytest.mark.parametrize("corner", [slice(0, 2), slice(-2, None)])
def test_at_the_border_the_window_stays_inside(corner: slice) -> None:
    mask = tumour(corner, corner, corner)
    window = find_window(mask, slices=8, edge=16, align=False)
    cut = cut_triples(stack(), 1.0, window, mirror=False, stride=4)
    assert cut.shape == (8, 3, 16, 16)
    assert cut_mask(mask, window, mirror=False, stride=1).sum() == mask.sum()


def test_without_tumour_the_window_lies_in_the_middle() -> None:
    window = find_window(np.zeros(SHAPE, bool), slices=8, edge=16, align=True)
    assert (window.slices[0], window.top, window.left, window.mirrored) == (6, 12, 17, False)


def test_a_short_stack_repeats_its_last_slice() -> None:
    window = find_window(np.zeros(SHAPE, bool), slices=32, edge=None, align=False)
    cut = cut_triples(stack(), 2.0, window, mirror=False, stride=4)
    assert cut.shape == (32, 3, 40, 52)
    np.testing.assert_array_equal(cut[:20, 1, :, :50], stack() * 2)
    np.testing.assert_array_equal(cut[0, :, :, :50], stack()[[0, 0, 1]] * 2)
    np.testing.assert_array_equal(cut[31, 1], cut[19, 1])
    np.testing.assert_array_equal(cut[..., 50], cut[..., 49])


def test_aligned_tumours_lie_on_the_same_side() -> None:
    for columns in (slice(5, 9), slice(41, 45)):
        mask = tumour(slice(9, 11), slice(18, 22), columns)
        window = find_window(mask, slices=4, edge=None, align=True)
        inside = cut_mask(mask, window, mirror=False, stride=1).nonzero()[:, -1]
        assert inside.min() >= 25


def test_mirroring_mirrors_image_and_mask_alike() -> None:
    mask = tumour(slice(9, 11), slice(18, 22), slice(10, 15))
    window = find_window(mask, slices=4, edge=24, align=False)
    image = torch.from_numpy(mask.astype(np.float32))
    for mirror in (False, True):
        triples = cut_triples(image.numpy(), 1.0, window, mirror=mirror, stride=4)
        pooled = torch.nn.functional.avg_pool2d(triples[:, 1], 4)[None]
        torch.testing.assert_close(pooled, cut_mask(mask, window, mirror=mirror, stride=4))
    torch.testing.assert_close(
        cut_triples(image.numpy(), 1.0, window, mirror=True, stride=4).flip(-1),
        cut_triples(image.numpy(), 1.0, window, mirror=False, stride=4),
    )


def test_images_that_do_not_fit_the_mask_are_refused(tmp_path: Path) -> None:
    images = {name: tmp_path / f"{name}.nii" for name in ("ceT1", "hrT2")}
    for path in images.values():
        write_volume(path, Volume(np.zeros((8, 8, 8), np.float32), np.eye(4), "ceT1", "a"))
    mask = tmp_path / "mask.nii"
    write_volume(mask, LabelVolume(np.zeros((8, 8, 9), np.uint8), np.eye(4), "a"))
    with pytest.raises(GeometryError, match="same crop"):
        open_subject(GradingCase("a", "a", images, mask, "ceT1", 1), ("ceT1", "hrT2"))
    with pytest.raises(ModalityError, match="needs the hrT2 image, got ceT1"):
        open_subject(GradingCase("a", "a", {"ceT1": images["ceT1"]}, mask, "ceT1", 1), ("ceT1", "hrT2"))
