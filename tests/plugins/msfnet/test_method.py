"""Every term of eq. 1 to 4 against loops over the formulas, in float64 and with separate passes."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cmda_core.schema import Task
from cmda_core.training.adversarial import Translations
from cmda_core.training.slices import SliceBatch
from cmda_msfnet.config import MsfNetConfig
from cmda_msfnet.method import MsfNetMethod
from cmda_msfnet.networks import MsfNet
from cmda_msfnet.proxies import ProxyLabels

SIZE = (12, 16)


def _method(settings: dict[str, Any]) -> MsfNetMethod:
    torch.manual_seed(0)
    config = MsfNetConfig(**{"discriminator_crop": None, **settings, "discriminator_layers": 1})
    labels = ProxyLabels(config, Task(), (0, 4, 9))
    network = MsfNet(config.channels, config.residual_blocks, labels.classes)
    return MsfNetMethod(config, network, labels).double()


def _batches(size: int = 2) -> tuple[SliceBatch, SliceBatch]:
    draw = np.random.default_rng(0)
    images = [torch.from_numpy(draw.uniform(-1, 1, (size, 3, *SIZE))) for _ in range(2)]
    labels = torch.from_numpy(draw.integers(0, 3, (size, 3, *SIZE)))
    regions = torch.from_numpy(draw.choice([0, 4, 9], (size, 3, *SIZE)))
    return SliceBatch(images[0], labels, regions), SliceBatch(images[1])


def _mean(values: list[float]) -> float:
    return float(np.mean(values))


def _l1(one: Tensor, two: Tensor) -> float:
    return _mean([abs(a - b) for a, b in zip(one.flatten().tolist(), two.flatten().tolist(), strict=True)])


def _l2(scores: Tensor, wanted: float) -> float:
    return _mean([(score - wanted) ** 2 for score in scores.flatten().tolist()])


def _ce_and_dice(logits: Tensor, classes: Tensor) -> float:
    shares = logits.softmax(dim=1).numpy()
    places = list(np.ndindex(*classes.shape))
    entropy = _mean([-np.log(shares[n, classes[n, y, x], y, x]) for n, y, x in places])
    dice = []
    for label in range(shares.shape[1]):
        overlap = sum(shares[n, label, y, x] * (classes[n, y, x] == label).item() for n, y, x in places)
        sizes = sum(shares[n, label, y, x] + (classes[n, y, x] == label).item() for n, y, x in places)
        dice.append((2 * overlap + 1) / (sizes + 1))
    return entropy + 1 - _mean(dice)


class _Passes:
    """Each image by itself through each network, as the paper writes it."""

    def __init__(self, method: MsfNetMethod, source: Tensor, target: Tensor) -> None:
        net = method.generator
        self.i1, self.i2 = source, target
        self.recovered_1 = net.to_source(net.encoder(self.i1))
        self.recovered_2 = net.to_target(net.encoder(self.i2))
        self.fake_2 = net.to_target(net.encoder(self.i1))
        self.fake_1 = net.to_source(net.encoder(self.i2))
        self.cycled_1 = net.to_source(net.encoder(self.fake_2))
        self.cycled_2 = net.to_target(net.encoder(self.fake_1))


@torch.no_grad()
def test_equations_1_to_4(tiny: dict[str, Any]) -> None:
    method = _method(tiny)
    source, target = _batches()
    terms, images = method.generator_losses(source, target)
    paper = _Passes(method, source.images, target.images)
    net, judge = method.generator, method.discriminator

    eq_1 = 10 * (_l1(paper.recovered_1, paper.i1) + _l1(paper.recovered_2, paper.i2))
    assert terms["reconstruction"].item() == pytest.approx(eq_1, rel=1e-9)
    eq_2 = _l2(judge.source(paper.fake_1), 1) + _l2(judge.target(paper.fake_2), 1)
    assert terms["adversarial"].item() == pytest.approx(eq_2, rel=1e-9)
    eq_3 = _l1(paper.cycled_1, paper.i1) + _l1(paper.cycled_2, paper.i2)
    assert terms["cycle"].item() == pytest.approx(10 * eq_3, rel=1e-9)
    features = net.encoder(paper.i1)
    eq_4_vs = _ce_and_dice(net.proxies["vs"](features), source.labels[:, 1])
    assert terms["vs"].item() == pytest.approx(eq_4_vs, rel=1e-9)
    regions = torch.tensor([0, 0, 0, 0, 1, 0, 0, 0, 0, 2])[source.parcellation[:, 1]]
    eq_4_gif = _ce_and_dice(net.proxies["gif"](features), regions)
    assert terms["gif"].item() == pytest.approx(eq_4_gif, rel=1e-9)
    assert set(terms) == {"reconstruction", "adversarial", "cycle", "vs", "gif"}
    torch.testing.assert_close(images.fake_target, paper.fake_2)
    torch.testing.assert_close(images.cycled_target, paper.cycled_2)


@torch.no_grad()
def test_equation_2_for_the_discriminators(tiny: dict[str, Any]) -> None:
    method = _method(tiny)
    source, target = _batches()
    fakes = [torch.from_numpy(np.random.default_rng(5).uniform(-1, 1, source.images.shape)) for _ in range(2)]
    images = Translations(source.images, fakes[1], fakes[0], target.images, fakes[0], fakes[1])
    terms = method.discriminator_losses(images)
    judge = method.discriminator
    assert terms["discriminator source"].item() == pytest.approx(
        _l2(judge.source(source.images), 1) + _l2(judge.source(fakes[0]), 0), rel=1e-9
    )
    assert terms["discriminator target"].item() == pytest.approx(
        _l2(judge.target(target.images), 1) + _l2(judge.target(fakes[1]), 0), rel=1e-9
    )


@torch.no_grad()
def test_official_variants(tiny: dict[str, Any]) -> None:
    method = _method({**tiny, "reconstruction": "smooth-l1", "proxy_on_cycled": True, "cycle_weight": 3})
    source, target = _batches()
    terms, _ = method.generator_losses(source, target)
    paper = _Passes(method, source.images, target.images)

    def huber(one: Tensor, two: Tensor) -> float:
        gaps = (one - two).abs().flatten().tolist()
        return _mean([0.5 * gap**2 if gap < 1 else gap - 0.5 for gap in gaps])

    eq_3 = huber(paper.cycled_1, paper.i1) + huber(paper.cycled_2, paper.i2)
    assert terms["cycle"].item() == pytest.approx(3 * eq_3, rel=1e-9)
    logits = [method.generator.proxies["vs"](method.generator.encoder(x)) for x in (paper.i1, paper.fake_2)]
    both = sum(_ce_and_dice(part, source.labels[:, 1]) for part in logits)
    assert terms["vs"].item() == pytest.approx(both, rel=1e-9)


def test_gradients_reach_the_generator_and_only_it(tiny: dict[str, Any]) -> None:
    method = _method(tiny)
    method.discriminator.requires_grad_(False)
    terms, images = method.generator_losses(*_batches())
    torch.stack(list(terms.values())).sum().backward()
    for name, parameter in method.generator.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0 or name.endswith("bias"), name
    assert all(parameter.grad is None for parameter in method.discriminator.parameters())
    assert images.fake_target.requires_grad


def test_perceptual_term_is_weighted(tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    class Stub(nn.Module):
        def forward(self, images: Tensor, wanted: Tensor) -> Tensor:
            return (images - wanted).square().mean()

    monkeypatch.setattr("cmda_msfnet.method.PerceptualLoss", lambda *_, **__: Stub())
    method = _method({**tiny, "perceptual": "random-vgg"})
    source, target = _batches()
    terms, _ = method.generator_losses(source, target)
    paper = _Passes(method, source.images, target.images)
    gaps = (paper.recovered_1 - paper.i1).square().mean() + (paper.recovered_2 - paper.i2).square().mean()
    assert terms["perceptual"].item() == pytest.approx(0.01 * gaps.item(), rel=1e-9)


@pytest.mark.parametrize("proxies", [(), ("vs",)])
def test_ablations_have_no_proxy_decoder(tiny: dict[str, Any], proxies: tuple[str, ...]) -> None:
    method = _method({**tiny, "proxies": proxies})
    source, target = _batches()
    if not proxies:
        source = SliceBatch(source.images)
    terms, _ = method.generator_losses(source, target)
    assert {"vs", "gif"} & set(terms) == set(proxies)
    assert tuple(method.generator.proxies) == proxies


def test_discriminators_see_random_windows(tiny: dict[str, Any]) -> None:
    method = _method({**tiny, "discriminator_crop": 12})
    seen: list[torch.Size] = []
    method.discriminator.target.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[-2:]))
    method.generator_losses(*_batches())
    assert seen == [torch.Size((12, 12))]
