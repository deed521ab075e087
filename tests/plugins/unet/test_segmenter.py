from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cmda_core.errors import DataError, NotTrainedError
from cmda_core.evaluation.segmentation import dice
from cmda_core.protocols import SegmentationData, Segmenter
from cmda_core.run import Run
from cmda_core.schema import Cohort, Runtime, Task
from cmda_core.volumes import LabelVolume, Volume
from cmda_unet.config import UnetConfig
from cmda_unet.network import padded, unet
from cmda_unet.plugin import build, load
from cmda_unet.segmenter import UnetSegmenter

RUNTIME = Runtime(device="cpu", seed=7, threads=1)


class KilledError(Exception):
    """Stands for the signal that ends a process."""


class InterruptedProgress:
    """Ends the training when so many steps are reported as done."""

    def __init__(self, after: int) -> None:
        self._left = after

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Callable[[int], None]]:
        def advance(steps: int) -> None:
            self._left -= steps
            if steps and self._left <= 0:
                raise KilledError

        yield advance

    def note(self, message: str) -> None:
        pass


def fitted(config: UnetConfig, cohort: Cohort, run: Run) -> Segmenter:
    segmenter = build(config, Task())
    segmenter.fit(SegmentationData(cohort), run)
    return segmenter


@pytest.fixture(scope="module")
def trained(
    cohort: Cohort, tiny: UnetConfig, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Segmenter]:
    folder = tmp_path_factory.mktemp("run")
    segmenter = fitted(tiny, cohort, Run(folder, RUNTIME))
    segmenter.save(folder / "model")
    return folder, segmenter


def test_a_case_that_was_not_in_the_training_is_found(
    trained: tuple[Path, Segmenter], held_out: tuple[Volume, LabelVolume]
) -> None:
    image, truth = held_out
    found = trained[1].segment(image).labels
    for label, least in ((1, 0.65), (2, 0.8)):
        assert dice(found.voxels == label, truth.voxels == label) > least


def test_the_training_gets_better(trained: tuple[Path, Segmenter]) -> None:
    rows = [line.split(",") for line in (trained[0] / "training.csv").read_text().splitlines()[1:]]
    losses = [float(value) for _, key, value in rows if key == "loss"]
    assert losses[-1] < losses[0] / 2


def test_probabilities_are_those_of_the_segmentation(
    trained: tuple[Path, Segmenter], held_out: tuple[Volume, LabelVolume]
) -> None:
    segmentation, segmenter = trained[1].segment(held_out[0]), trained[1]
    assert isinstance(segmenter, UnetSegmenter)
    probabilities = segmenter.probabilities(held_out[0])
    np.testing.assert_array_equal(segmentation.probabilities, probabilities)
    np.testing.assert_array_equal(segmentation.labels.voxels, probabilities.argmax(axis=0))


def test_the_size_of_inference_batches_changes_nothing(
    trained: tuple[Path, Segmenter], held_out: tuple[Volume, LabelVolume], tmp_path: Path
) -> None:
    segmenter = trained[1]
    assert isinstance(segmenter, UnetSegmenter)
    before = segmenter.probabilities(held_out[0])
    segmenter.save(tmp_path)
    again = load(tmp_path)
    assert isinstance(again, UnetSegmenter)
    again._config = again._config.model_copy(update={"inference_batch": 3})
    np.testing.assert_allclose(again.probabilities(held_out[0]), before, atol=1e-5)


def test_brightness_and_contrast_of_the_scanner_change_nothing(
    trained: tuple[Path, Segmenter], held_out: tuple[Volume, LabelVolume]
) -> None:
    image = held_out[0]
    other = image.with_voxels(image.voxels * np.float32(0.5) + np.float32(0.2))
    np.testing.assert_array_equal(
        trained[1].segment(image).labels.voxels, trained[1].segment(other).labels.voxels
    )


@pytest.mark.parametrize("after", [10, 45])
def test_an_interrupted_training_ends_with_the_same_weights(
    trained: tuple[Path, Segmenter], cohort: Cohort, tiny: UnetConfig, tmp_path: Path, after: int
) -> None:
    with pytest.raises(KilledError):
        fitted(tiny, cohort, Run(tmp_path / "cut", RUNTIME, InterruptedProgress(after)))
    torch.manual_seed(99)
    fitted(tiny, cohort, Run(tmp_path / "cut", RUNTIME)).save(tmp_path / "model")
    expected = load_file(trained[0] / "model" / "weights.safetensors")
    got = load_file(tmp_path / "model" / "weights.safetensors")
    assert all(torch.equal(got[key], expected[key]) for key in expected)
    assert (tmp_path / "cut" / "training.csv").read_text() == (trained[0] / "training.csv").read_text()


def test_what_is_missing_is_said(
    tiny: UnetConfig, held_out: tuple[Volume, LabelVolume], tmp_path: Path
) -> None:
    segmenter = build(tiny, Task())
    with pytest.raises(NotTrainedError, match="'unet': has no weights"):
        segmenter.segment(held_out[0])
    with pytest.raises(NotTrainedError):
        segmenter.save(tmp_path)
    with pytest.raises(DataError, match="Train it again"):
        load(tmp_path)


@pytest.mark.parametrize("levels", [2, 3, 5])
@pytest.mark.parametrize("size", [(1, 1), (17, 30), (32, 48)])
def test_slices_of_any_size_go_through(levels: int, size: tuple[int, int]) -> None:
    config = UnetConfig(levels=levels, channels=2)
    images = padded(torch.zeros(2, 3, *size), config)
    scores = unet(config, 4)(images)
    assert scores.shape == (2, 4, *images.shape[-2:])
    assert all(have >= want for have, want in zip(images.shape[-2:], size, strict=True))


def test_every_weight_is_trained() -> None:
    network = unet(UnetConfig(levels=3, channels=2), 3)
    network(torch.randn(2, 3, 16, 16)).square().sum().backward()
    assert [name for name, weight in network.named_parameters() if weight.grad is None] == []


def test_it_is_small() -> None:
    weights = sum(weight.numel() for weight in unet(UnetConfig(), 3).parameters())
    assert weights < 1e6
