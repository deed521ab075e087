import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from slice_cohorts import unpaired
from torch import nn

from cmda_core.errors import ModalityError, NotTrainedError
from cmda_core.protocols import TranslationData
from cmda_core.registry import Registry
from cmda_core.run import Run
from cmda_core.schema import Runtime, Task
from cmda_core.training.slices import SliceBatch
from cmda_core.volumes import read_volume
from cmda_cyclegan.config import CycleGanConfig
from cmda_cyclegan.method import CycleGan, resnet_generator

TINY: dict[str, Any] = {
    "epochs": 2,
    "channels": 2,
    "residual_blocks": 1,
    "discriminator_layers": 2,
    "save_every": 3,
    "log_every": 1,
}


@pytest.fixture
def data(tmp_path: Path) -> TranslationData:
    return unpaired(tmp_path / "data")


def _run(folder: Path) -> Run:
    return Run(folder, Runtime(device="cpu", threads=1))


def test_published_sizes() -> None:
    config = CycleGanConfig()
    with torch.device("meta"):
        method = CycleGan(config)
    counts = [sum(p.numel() for p in part.parameters()) for part in (method.generator, method.discriminator)]
    # As pytorch-CycleGAN-and-pix2pix prints for resnet_9blocks and basic with instance norm.
    assert [round(count / 2e6, 3) for count in counts] == [11.378, 2.765]
    assert (config.learning_rate, config.betas, config.schedule) == (2e-4, (0.5, 0.999), "linear")
    assert (config.cycle_weight, config.identity_weight, config.pool_size) == (10, 0.5, 50)


@torch.no_grad()
def test_losses_against_the_formulas() -> None:
    torch.manual_seed(0)
    method = CycleGan(CycleGanConfig(**TINY)).double()
    one, two = (torch.rand(2, 3, 16, 24, dtype=torch.float64) * 2 - 1 for _ in range(2))
    terms, images = method.generator_losses(SliceBatch(one), SliceBatch(two))
    to_1, to_2 = method.generator["source"], method.generator["target"]
    judge_1, judge_2 = method.discriminator["source"], method.discriminator["target"]

    def l1(left: torch.Tensor, right: torch.Tensor) -> float:
        return float(np.abs(left.numpy() - right.numpy()).mean())

    def l2(scores: torch.Tensor, wanted: float) -> float:
        return float(np.square(scores.numpy() - wanted).mean())

    assert terms["cycle"].item() == pytest.approx(10 * (l1(to_1(to_2(one)), one) + l1(to_2(to_1(two)), two)))
    assert terms["identity"].item() == pytest.approx(5 * (l1(to_1(one), one) + l1(to_2(two), two)))
    assert terms["adversarial"].item() == pytest.approx(l2(judge_1(to_1(two)), 1) + l2(judge_2(to_2(one)), 1))
    rivals = method.discriminator_losses(images)
    assert rivals["discriminator source"].item() == pytest.approx(
        0.5 * (l2(judge_1(one), 1) + l2(judge_1(to_1(two)), 0))
    )
    assert rivals["discriminator target"].item() == pytest.approx(
        0.5 * (l2(judge_2(two), 1) + l2(judge_2(to_2(one)), 0))
    )


def test_initial_weights_are_small_normal() -> None:
    method = CycleGan(CycleGanConfig(channels=16, residual_blocks=1))
    layers = [part for part in method.modules() if isinstance(part, nn.Conv2d | nn.ConvTranspose2d)]
    assert max(layer.weight.std().item() for layer in layers if layer.weight.numel() > 5000) < 0.022


def test_generator_keeps_the_size() -> None:
    assert resnet_generator(2, 1)(torch.zeros(1, 3, 20, 28)).shape == (1, 3, 20, 28)


def test_train_translate_save_load(data: TranslationData, tmp_path: Path) -> None:
    offer = Registry.installed().translator("cyclegan")
    translator = offer.build(CycleGanConfig(**TINY), Task())
    volume = read_volume(data.source["s0"].image, "ceT1")
    with pytest.raises(NotTrainedError):
        translator.translate(volume, "hrT2")
    translator.fit(data, _run(tmp_path / "run"))
    fake = translator.translate(volume, "hrT2")
    assert (fake.modality, fake.voxels.shape) == ("hrT2", volume.voxels.shape)
    back = translator.translate(fake, "ceT1")
    assert not np.array_equal(back.voxels, translator.translate(back, "hrT2").voxels)
    with pytest.raises(ModalityError):
        translator.translate(fake, "hrT2")
    translator.save(tmp_path / "model")
    loaded = offer.load(tmp_path / "model")
    assert np.array_equal(loaded.translate(volume, "hrT2").voxels, fake.voxels)


def test_a_third_party_could_write_it_in_120_lines() -> None:
    folder = Path(__file__).parents[3] / "plugins" / "cmda_cyclegan"
    assert sum(lines_of_code(path.read_text()) for path in folder.glob("*.py")) <= 120


def lines_of_code(text: str) -> int:
    """Lines that are neither blank nor part of a docstring."""
    documented: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            documented |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(text.splitlines(), start=1)
    return sum(bool(line.strip()) and number not in documented for number, line in lines)


def test_interrupted_training_goes_on(data: TranslationData, tmp_path: Path) -> None:
    volume = read_volume(data.source["s0"].image, "ceT1")
    results = []
    for name, stops in (("whole", (6,)), ("broken", (4, 6))):
        for stop in stops:
            translator = Registry.installed().translator("cyclegan").build(CycleGanConfig(**TINY), Task())
            run = _run(tmp_path / name)
            _stop_after(run, stop)
            try:
                translator.fit(data, run)
            except KeyboardInterrupt:
                continue
            results.append(translator.translate(volume, "hrT2").voxels)
    assert np.array_equal(*results)


def _stop_after(run: Run, steps: int) -> None:
    log = run.log

    def stopping(step: int, values: Any, name: str = "training") -> None:
        log(step, values, name)
        if step == steps and steps < 6:
            raise KeyboardInterrupt

    run.log = stopping  # type: ignore[method-assign]
