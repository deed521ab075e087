"""The adversarial base with a method of one layer each way: resume, averaging, pictures."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from slice_cohorts import unpaired
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from cmda_core.protocols import TranslationData
from cmda_core.run import Run
from cmda_core.schema import Runtime
from cmda_core.training.adversarial import AdversarialMethod, Translations, train_adversarial
from cmda_core.training.config import AdversarialConfig
from cmda_core.training.image_pool import ImagePool
from cmda_core.training.loop import seed_everything
from cmda_core.training.losses import difference, least_squares
from cmda_core.training.slices import SliceBatch
from cmda_core.training.state import load_state


class OneLayer(AdversarialMethod):
    stride = 1

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.ModuleList([nn.Conv2d(3, 3, 3, padding=1) for _ in range(2)])
        self.discriminator = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.Conv2d(2, 1, 1))
        self.extra = {"pool": ImagePool(2)}
        self.fail_at: int | None = None
        self.calls = 0

    def generator_losses(
        self, source: SliceBatch, target: SliceBatch
    ) -> tuple[Mapping[str, Tensor], Translations]:
        if self.fail_at is not None and self.calls == self.fail_at:
            raise KeyboardInterrupt
        self.calls += 1
        there, back = self.generator
        fake_2, fake_1 = there(source.images), back(target.images)
        cycled_1, cycled_2 = back(fake_2), there(fake_1)
        terms = {
            "adversarial": least_squares(self.discriminator(fake_2), 1),
            "cycle": difference(cycled_1, source.images) + difference(cycled_2, target.images),
        }
        return terms, Translations(source.images, fake_2, cycled_1, target.images, fake_1, cycled_2)

    def translate(self, slices: Tensor, *, to_target: bool) -> Tensor:
        return self.generator[0 if to_target else 1](slices)

    def discriminator_losses(self, images: Translations) -> Mapping[str, Tensor]:
        fake = self.extra["pool"].exchange(images.fake_target)
        return {
            "rival": least_squares(self.discriminator(images.target), 1)
            + least_squares(self.discriminator(fake), 0)
        }


SETTINGS: dict[str, Any] = {"epochs": 8, "patch": (16, 16), "flip": True, "save_every": 6, "log_every": 3}


@pytest.fixture
def data(tmp_path: Path) -> TranslationData:
    return unpaired(tmp_path / "data")


@pytest.fixture
def train(data: TranslationData, tmp_path: Path) -> Callable[..., OneLayer]:
    def train(name: str, fail_at: int | None = None, **settings: Any) -> OneLayer:
        run = Run(tmp_path / name, Runtime(device="cpu", threads=1))
        run.fabric.barrier()  # its first use imports libraries that draw from Python's generator
        seed_everything(0)
        method = OneLayer()
        method.fail_at = fail_at
        train_adversarial(method, data, AdversarialConfig(**{**SETTINGS, **settings}), run)
        return method

    return train


def _same(one: object, two: object) -> bool:
    if isinstance(one, Tensor):
        return isinstance(two, Tensor) and torch.equal(one, two)
    if isinstance(one, dict):
        return isinstance(two, dict) and one.keys() == two.keys() and all(_same(one[k], two[k]) for k in one)
    if isinstance(one, list | tuple):
        return isinstance(two, type(one)) and len(one) == len(two) and all(map(_same, one, two))
    return one == two


@pytest.mark.parametrize("options", [{}, {"ema": 0.5}, {"channels_last": True}], ids=str)
def test_interrupted_training_ends_as_an_uninterrupted_one(
    train: Callable[..., OneLayer], tmp_path: Path, options: dict[str, Any]
) -> None:
    whole = train("whole", schedule="linear", **options)
    with pytest.raises(KeyboardInterrupt):
        train("broken", fail_at=16, schedule="linear", **options)
    resumed = train("broken", schedule="linear", **options)
    assert resumed.calls < whole.calls
    assert _same(dict(whole.state_dict()), dict(resumed.state_dict()))
    # Weights, moments of Adam, schedules, the pool and all random generators:
    states = [load_state(tmp_path / name / "checkpoint.safetensors") for name in ("whole", "broken")]
    assert _same(*states)
    logs = [(tmp_path / name / "training.csv").read_bytes() for name in ("whole", "broken")]
    assert logs[0] == logs[1]


def test_one_generator_pass_per_step_and_epochs_count_source_cases(train: Callable[..., OneLayer]) -> None:
    # 8 epochs of 3 cases in batches of 2, and a picture at steps 6 and 12.
    assert train("run", batch_size=2).calls == 12 + 2


def test_updates_stay_on_their_side(data: TranslationData, tmp_path: Path) -> None:
    method = OneLayer()
    before = {key: value.clone() for key, value in method.state_dict().items()}
    config = AdversarialConfig(epochs=1, learning_rate=1e-3)
    train_adversarial(method, data, config, Run(tmp_path / "run", Runtime(device="cpu")))
    changed = {key for key, value in method.state_dict().items() if not torch.equal(value, before[key])}
    assert {"generator.0.weight", "generator.1.weight", "discriminator.0.weight"} <= changed
    assert all(parameter.requires_grad for parameter in method.parameters())
    assert not method.training


def test_moving_average_ends_between_start_and_end(train: Callable[..., OneLayer]) -> None:
    plain, averaged = train("plain"), train("averaged", ema=0.9)
    seed_everything(0)
    start = OneLayer().generator[0].weight
    assert 0 < (averaged.generator[0].weight - start).norm() < (plain.generator[0].weight - start).norm()


class Sharing(OneLayer):
    """Translates with the discriminator's first layer, and has no way back."""

    @property
    def kept(self) -> nn.Module:
        return nn.ModuleList([self.generator[0], self.discriminator[0]])

    def generator_losses(
        self, source: SliceBatch, target: SliceBatch
    ) -> tuple[Mapping[str, Tensor], Translations]:
        self.discriminator[0](source.images).sum()  # as an encoder would be used
        terms, images = super().generator_losses(source, target)
        return terms, dataclasses.replace(images, cycled_source=None, cycled_target=None)


def test_what_translates_is_averaged_wherever_it_is_trained(data: TranslationData, tmp_path: Path) -> None:
    def trained(ema: float) -> Sharing:
        seed_everything(0)
        method = Sharing()
        run = Run(tmp_path / f"run-{ema}", Runtime(device="cpu", threads=1))
        train_adversarial(method, data, AdversarialConfig(**{**SETTINGS, "ema": ema}), run)
        return method

    seed_everything(0)
    start, plain, averaged = Sharing(), trained(0.0), trained(0.9)
    for layer in ("generator.0.weight", "discriminator.0.weight"):
        begin, end, mean = (method.state_dict()[layer] for method in (start, plain, averaged))
        assert 0 < (mean - begin).norm() < (end - begin).norm()
    for layer in ("generator.1.weight", "discriminator.2.weight"):
        assert torch.equal(plain.state_dict()[layer], averaged.state_dict()[layer])
    picture = np.asarray(Image.open(tmp_path / "run-0.0" / "pictures" / "step-0000006.png"))
    assert picture.shape == (2 * 16, 2 * 16)


def test_spectral_norms_hold_for_averaged_weights(data: TranslationData, tmp_path: Path) -> None:
    seed_everything(0)
    method = OneLayer()
    spectral_norm(method.generator[0])
    settings = {**SETTINGS, "ema": 0.9, "learning_rate": 0.1}
    run = Run(tmp_path / "run", Runtime(device="cpu", threads=1))
    train_adversarial(method, data, AdversarialConfig(**settings), run)
    weight = method.generator[0].weight.detach().flatten(1)
    assert torch.linalg.matrix_norm(weight, ord=2).item() == pytest.approx(1, rel=1e-4)


def test_weight_decay_shrinks_weights(train: Callable[..., OneLayer]) -> None:
    plain, decayed = train("plain"), train("decayed", weight_decay=10.0)
    assert decayed.generator[0].weight.norm() < plain.generator[0].weight.norm()


def test_pictures_show_both_directions(train: Callable[..., OneLayer], tmp_path: Path) -> None:
    train("run", epochs=2)
    picture = np.asarray(Image.open(tmp_path / "run" / "pictures" / "step-0000006.png"))
    assert picture.shape == (2 * 16, 3 * 16)
