from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cmda_core.errors import ConfigError, DataError, NotTrainedError
from cmda_core.progress import Silent
from cmda_core.protocols import SegmentationData, Segmenter
from cmda_core.run import Run
from cmda_core.schema import Cohort, Runtime, Task
from cmda_core.volumes import Volume, read_volume
from cmda_nnunet.config import NnUnetConfig
from cmda_nnunet.plugin import build, load
from cmda_nnunet.segmenter import NnUnetSegmenter

RUNTIME = Runtime(device="cpu", seed=7, threads=1)


class KilledError(Exception):
    """Stands for the signal that ends a process."""


class InterruptedProgress:
    """Ends the training when so many epochs are reported as done."""

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


@pytest.fixture(scope="module")
def trained(
    cohort: Cohort, tiny: NnUnetConfig, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Segmenter]:
    folder = tmp_path_factory.mktemp("run")
    segmenter = build(tiny, Task())
    segmenter.fit(SegmentationData(cohort), Run(folder, RUNTIME))
    segmenter.save(folder / "model")
    return folder, segmenter


@pytest.fixture
def image(cohort: Cohort) -> Volume:
    return read_volume(cohort["s0_hrT2"].image, "hrT2", "s0")


def test_segmentation_lies_on_the_grid_of_the_image(trained: tuple[Path, Segmenter], image: Volume) -> None:
    segmentation = trained[1].segment(image)
    assert segmentation.labels.grid == image.grid
    assert segmentation.labels.voxels.dtype == np.uint8
    assert segmentation.probabilities.shape == (3, *image.voxels.shape)
    assert segmentation.probabilities.dtype == np.float32
    np.testing.assert_allclose(segmentation.probabilities.sum(0), 1, atol=1e-3)
    np.testing.assert_array_equal(segmentation.probabilities.argmax(0), segmentation.labels.voxels)


def test_saved_and_loaded_it_says_the_same(trained: tuple[Path, Segmenter], image: Volume) -> None:
    folder, segmenter = trained
    before, after = segmenter.segment(image), load(folder / "model").segment(image)
    np.testing.assert_array_equal(after.labels.voxels, before.labels.voxels)
    np.testing.assert_array_equal(after.probabilities, before.probabilities)


def test_left_and_right_are_alike_where_they_are_mirrored(
    trained: tuple[Path, Segmenter], image: Volume, tmp_path: Path
) -> None:
    """Averaged over both sides, a mirrored image gets the mirrored answer; over no other axis."""
    shutil.copytree(trained[0] / "model", tmp_path / "model")
    settings = tmp_path / "model" / "segmenter.json"
    content = json.loads(settings.read_text())
    # Which of two equal components is kept depends on their order.
    content["config"] |= {"mirroring": "left-right", "keep_one_tumour": False, "keep_two_cochleae": False}
    settings.write_text(json.dumps(content))
    segmenter = load(tmp_path / "model")
    # As wide as a patch: nnU-Net weights overlapping patches a little more on one side.
    image = Volume(image.voxels[2:18].copy(), image.affine, image.modality, image.case)
    probabilities = segmenter.segment(image).probabilities

    for axis, alike in ((0, True), (1, False), (2, False)):
        mirrored = image.with_voxels(np.flip(image.voxels, axis).copy())
        answer = np.flip(segmenter.segment(mirrored).probabilities, axis + 1)
        # At the edges of a patch nnU-Net's weights are too small for its half precision.
        inner = np.s_[:, 2:-2, 2:-2, 2:-2]
        assert np.allclose(answer[inner], probabilities[inner], atol=1e-2) is alike


def test_model_holds_no_pickle_and_no_path(trained: tuple[Path, Segmenter]) -> None:
    folder, _ = trained
    names = {path.name for path in (folder / "model").iterdir()}
    assert names == {"segmenter.json", "plans.json", "dataset.json", "fold_0.safetensors"}
    assert str(folder.parent) not in "".join(
        (folder / "model" / name).read_text() for name in names if name.endswith(".json")
    )
    assert not [path for path in folder.rglob("*") if path.suffix in {".pkl", ".pth"}]


@pytest.mark.parametrize(
    ("part", "key", "name"),
    [
        ("architecture", "network_class_name", "subprocess.Popen"),
        ("architecture", "network_class_name", "dynamic_network_architectures.architectures.unet.torch.load"),
        ("arch_kwargs", "nonlin", "os.system"),
        ("arch_kwargs", "norm_op", "torch.nn.modules.module.torch.load"),
        ("plan", "resampling_fn_seg", "deepcopy"),
    ],
)
def test_plans_that_name_foreign_code_are_refused(
    part: str, key: str, name: str, trained: tuple[Path, Segmenter], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(trained[0] / "model", tmp_path / "model"))
    plans = json.loads((folder / "plans.json").read_text())
    plan = plans["configurations"]["3d_fullres"]
    parts = {
        "plan": plan,
        "architecture": plan["architecture"],
        "arch_kwargs": plan["architecture"]["arch_kwargs"],
    }
    parts[part][key] = name
    (folder / "plans.json").write_text(json.dumps(plans))
    with pytest.raises(DataError, match=f"names '{re.escape(name)}'"):
        load(folder)


def test_loss_and_dice_are_logged_for_every_epoch(trained: tuple[Path, Segmenter]) -> None:
    rows = [line.split(",") for line in (trained[0] / "training.csv").read_text().splitlines()[1:]]
    assert [row[0] for row in rows if row[1] == "loss"] == ["1", "2", "3"]
    assert {"validation_loss", "learning_rate", "pseudo_dice_vs"} <= {row[1] for row in rows}


@pytest.mark.parametrize("epochs_done", [1, 2])
def test_interrupted_training_ends_with_the_same_weights(
    trained: tuple[Path, Segmenter], cohort: Cohort, tiny: NnUnetConfig, tmp_path: Path, epochs_done: int
) -> None:
    data = SegmentationData(cohort)
    with pytest.raises(KilledError):
        build(tiny, Task()).fit(data, Run(tmp_path, RUNTIME, InterruptedProgress(epochs_done)))
    torch.rand(5)
    segmenter = build(tiny, Task())
    segmenter.fit(data, Run(tmp_path, RUNTIME))
    segmenter.save(tmp_path / "model")
    weights = (tmp_path / "model" / "fold_0.safetensors").read_bytes()
    assert weights == (trained[0] / "model" / "fold_0.safetensors").read_bytes()
    assert (tmp_path / "training.csv").read_text() == (trained[0] / "training.csv").read_text()


class Notes(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, message: str) -> None:
        self.lines.append(message)


@pytest.mark.parametrize(("workers", "killed"), [(2, False), (1, True)], ids=["at work", "killed"])
def test_augmentation_workers_change_nothing_even_if_they_are_killed(
    trained: tuple[Path, Segmenter],
    cohort: Cohort,
    tiny: NnUnetConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
    killed: bool,
) -> None:
    from cmda_nnunet.batches import Batches

    make, here = Batches.__getitem__, os.getpid()

    def make_or_die(self: Batches, index: int) -> Any:
        if killed and os.getpid() != here and index == 4:  # in the second epoch
            os.kill(os.getpid(), signal.SIGKILL)
        return make(self, index)

    monkeypatch.setattr(Batches, "__getitem__", make_or_die)
    notes, config = Notes(), tiny.model_copy(update={"augmentation_workers": workers})
    segmenter = build(config, Task())
    segmenter.fit(SegmentationData(cohort), Run(tmp_path, RUNTIME, notes))
    segmenter.save(tmp_path / "model")
    weights = (tmp_path / "model" / "fold_0.safetensors").read_bytes()
    assert weights == (trained[0] / "model" / "fold_0.safetensors").read_bytes()
    assert any("worker died" in line for line in notes.lines) == killed


def test_nothing_is_left_behind(
    cohort: Cohort, tiny: NnUnetConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str], image: Volume
) -> None:
    environment, folder = dict(os.environ), Path.cwd()
    config = tiny.model_copy(update={"epochs": 1, "iterations_per_epoch": 1})
    segmenter = build(config, Task())
    segmenter.fit(SegmentationData(cohort), Run(tmp_path, RUNTIME))
    segmenter.segment(image)
    assert dict(os.environ) == environment
    assert Path.cwd() == folder
    assert capsys.readouterr().out == ""
    assert (tmp_path / "nnunet" / "nnunet.log").stat().st_size > 0


def test_learns_where_the_tumour_is(
    cohort: Cohort, tiny: NnUnetConfig, tmp_path: Path, image: Volume
) -> None:
    """The image is asymmetric along every axis: an axis out of order would put the tumour elsewhere."""
    config = tiny.model_copy(
        update={"folds": "all", "epochs": 4, "iterations_per_epoch": 15, "augmentation": "light"}
    )
    segmenter = build(config, Task())
    segmenter.fit(SegmentationData(cohort), Run(tmp_path, RUNTIME))
    found = segmenter.segment(image).probabilities[1]
    bright = image.voxels > 0.3
    assert found[bright].mean() > 2 * found[~bright].mean()


def test_folds_are_trained_apart_and_averaged(
    cohort: Cohort, tiny: NnUnetConfig, tmp_path: Path, image: Volume
) -> None:
    short = {"folds": (0, 2), "epochs": 1, "iterations_per_epoch": 1}
    as_predicted = {"keep_one_tumour": False, "keep_two_cochleae": False}
    config = tiny.model_copy(update=short | as_predicted)
    segmenter = build(config, Task())
    segmenter.fit(SegmentationData(cohort), Run(tmp_path, RUNTIME))
    segmenter.save(tmp_path / "model")
    assert (tmp_path / "training_fold_0.csv").exists()
    assert (tmp_path / "training_fold_2.csv").exists()
    logits = []
    for fold in ("0", "2"):
        alone = NnUnetSegmenter.load(tmp_path / "model")
        assert alone._model is not None
        alone._model = type(alone._model)(
            alone._model.plans, alone._model.description, {fold: alone._model.folds[fold]}
        )
        logits.append(np.log(alone.segment(image).probabilities + 1e-9))
    mean = np.exp(sum(logits) / 2)
    expected = mean / mean.sum(0)
    np.testing.assert_allclose(segmenter.segment(image).probabilities, expected, atol=5e-3)


def test_errors_say_what_to_do(cohort: Cohort, tiny: NnUnetConfig, tmp_path: Path, image: Volume) -> None:
    with pytest.raises(NotTrainedError, match="no weights yet"):
        build(tiny, Task()).segment(image)
    with pytest.raises(DataError, match="has no cases"):
        build(tiny, Task()).fit(SegmentationData(Cohort(name="none")), Run(tmp_path, RUNTIME))
    beyond = tiny.model_copy(update={"folds": (3,)})
    with pytest.raises(ConfigError, match="the last fold is 2"):
        build(beyond, Task()).fit(SegmentationData(cohort), Run(tmp_path, RUNTIME))
    with pytest.raises(DataError, match=r"segmenter\.json"):
        load(tmp_path)


def test_listing_the_plugin_imports_nothing_heavy() -> None:
    code = "import sys, cmda_nnunet.plugin; sys.exit(bool({'torch', 'nnunetv2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603
