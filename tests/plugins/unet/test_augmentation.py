from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cmda_unet.augmentation import augment
from cmda_unet.config import UnetConfig

STILL: dict[str, Any] = {"flip": False, "rotation_degrees": 0, "scaling": 0, "intensity": 0, "noise": 0}


def still(**changes: object) -> UnetConfig:
    return UnetConfig.model_validate({**STILL, **changes})


def pair(count: int = 1, height: int = 41, width: int = 61) -> tuple[Tensor, Tensor]:
    """A bar from the middle to the right."""
    labels = torch.zeros(count, height, width, dtype=torch.int64)
    labels[:, height // 2 - 2 : height // 2 + 3, width // 2 : width // 2 + 16] = 1
    return labels[:, None].repeat(1, 3, 1, 1).float(), labels


def drawn(config: UnetConfig, seed: int, count: int = 1) -> tuple[Tensor, Tensor]:
    return augment(*pair(count), config, np.random.default_rng(seed))


def test_nothing_changes_if_nothing_may() -> None:
    for got, expected in zip(drawn(still(), 0), pair(), strict=True):
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("settings", [{"flip": True}, {"rotation_degrees": 30}, {"scaling": 0.3}])
def test_labels_move_as_the_images_do(settings: dict[str, Any]) -> None:
    images, labels = drawn(still(**settings), 1, count=6)
    assert labels.dtype == torch.int64
    inside, outside = images[:, 1][labels == 1], images[:, 1][labels == 0]
    assert inside.mean() > 0.85
    assert outside.mean() < 0.02


def test_mirrored_slices_swap_left_and_right() -> None:
    images, labels = drawn(still(flip=True), 2, count=20)
    original, truth = pair()
    sides = {torch.equal(one, truth[0]): one for one in labels}
    assert set(sides) == {True, False}
    assert torch.equal(sides[False], truth[0].flip(-1))
    assert float((images - original).abs().max()) == pytest.approx(1)


def test_a_turn_keeps_lengths_though_slices_are_not_square() -> None:
    for seed in range(40):
        _, labels = drawn(still(rotation_degrees=180), seed)
        places = np.argwhere(labels[0].numpy() == 1)
        assert len(places) == pytest.approx(80, abs=8)
        short, long = np.sqrt(np.linalg.eigvalsh(np.cov(places.T)))
        assert long == pytest.approx(16 / np.sqrt(12), rel=0.08)
        assert short == pytest.approx(5 / np.sqrt(12), rel=0.15)


def test_scales_stay_within_their_limit() -> None:
    areas = [int((drawn(still(scaling=0.2), seed)[1] == 1).sum()) for seed in range(30)]
    assert 80 * 0.8**2 - 12 <= min(areas) < 72
    assert 88 < max(areas) <= 80 * 1.2**2 + 16


def test_gain_and_level_are_those_of_a_line() -> None:
    images, _ = drawn(still(intensity=0.2), 3, count=50)
    low, high = images[:, 0, 0, 0], images[:, 0, 20, 35]
    assert float(low.abs().max()) <= 0.2
    assert float((high - low - 1).abs().max()) <= 0.2 + 1e-5
    assert float(low.std()) > 0.05
    assert float((high - low).std()) > 0.05


def test_noise_is_no_larger_than_its_limit() -> None:
    images, _ = drawn(still(noise=0.1), 4, count=50)
    spreads = images[:, :, :10, :10].flatten(1).std(dim=1)
    assert 0.05 < float(spreads.max()) < 0.13
    assert float(spreads.min()) < 0.03
