from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from cmda_core.errors import ConfigError
from cmda_core.training.slices import SliceBatch
from cmda_nicegan.config import NiceGanConfig
from cmda_nicegan.method import NiceGan
from cmda_nicegan.networks import Decoder, Discriminator, Encoder, smallest_edge
from cmda_nicegan.norms import AdaptiveNorm, LayerInstanceNorm

TINY: dict[str, Any] = {"channels": 2, "residual_blocks": 1, "local_layers": 0, "global_layers": 1}


def two_batches() -> tuple[Tensor, Tensor]:
    one, two = (torch.rand(2, 3, 24, 28, dtype=torch.float64) * 2 - 1 for _ in range(2))
    return one, two


def new_method(**settings: Any) -> NiceGan:
    torch.manual_seed(0)
    return NiceGan(NiceGanConfig(**{**TINY, **settings})).double()


@torch.no_grad()
def test_losses_against_the_formulas() -> None:
    method = new_method(adversarial_weight=3.0).eval()  # spectral norm iterates in training
    one, two = two_batches()
    terms, images = method.generator_losses(SliceBatch(one), SliceBatch(two))
    judge_1, judge_2 = method.discriminator["source"], method.discriminator["target"]
    to_1, to_2 = method.generator["source"], method.generator["target"]

    def code(judge: nn.Module, image: Tensor) -> Tensor:
        return judge(image)[0]

    def l1(left: Tensor, right: Tensor) -> float:
        return float(np.abs(left.numpy() - right.numpy()).mean())

    def l2(judge: nn.Module, image: Tensor, wanted: float) -> float:
        scores = judge(image)[1]
        assert len(scores) == 3
        return sum(float(np.square(score.numpy() - wanted).mean()) for score in scores)

    fake_2, fake_1 = to_2(code(judge_1, one)), to_1(code(judge_2, two))
    assert torch.equal(images.fake_target, fake_2)
    assert torch.equal(images.fake_source, fake_1)
    assert terms["adversarial"].item() == pytest.approx(3 * (l2(judge_1, fake_1, 1) + l2(judge_2, fake_2, 1)))
    assert terms["cycle"].item() == pytest.approx(
        10 * (l1(to_1(code(judge_2, fake_2)), one) + l1(to_2(code(judge_1, fake_1)), two))
    )
    assert terms["reconstruction"].item() == pytest.approx(
        10 * (l1(to_1(code(judge_1, one)), one) + l1(to_2(code(judge_2, two)), two))
    )
    rivals = method.discriminator_losses(images)
    for side, judge, real, fake in (("source", judge_1, one, fake_1), ("target", judge_2, two, fake_2)):
        assert rivals[f"discriminator {side}"].item() == pytest.approx(
            3 * (l2(judge, real, 1) + l2(judge, fake, 0))
        )
    assert torch.equal(method.translate(one, to_target=True), fake_2)
    assert torch.equal(method.translate(two, to_target=False), fake_1)


def test_encoders_learn_from_the_discriminator_alone() -> None:
    method = new_method()
    one, two = two_batches()
    method.discriminator.requires_grad_(False)  # as train_adversarial does
    terms, images = method.generator_losses(SliceBatch(one), SliceBatch(two))
    sum(terms.values()).backward()
    assert all(parameter.grad is None for parameter in method.discriminator.parameters())
    assert all(parameter.grad is not None for parameter in method.generator.parameters())
    method.generator.zero_grad(set_to_none=True)
    method.discriminator.requires_grad_(True)
    for term in method.discriminator_losses(_detached(images)).values():
        term.backward()
    assert all(parameter.grad is None for parameter in method.generator.parameters())
    encoder = method.discriminator["source"].encoder
    assert all(part.grad is not None for part in (*encoder.layers.parameters(), encoder.gain))


def test_the_cycle_reaches_the_first_decoder_through_a_frozen_encoder() -> None:
    method = new_method()
    method.discriminator.requires_grad_(False)
    one, two = two_batches()
    images = method.generator_losses(SliceBatch(one), SliceBatch(two))[1]
    assert images.cycled_source is not None
    images.cycled_source.square().sum().backward()
    gradient = method.generator["target"].enter[0].weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0


@torch.no_grad()
def test_attention_is_added_to_the_features() -> None:
    encoder = Encoder(2).double().eval()
    encoder.gain.fill_(0.7)
    images = torch.randn(2, 3, 16, 20, dtype=torch.float64)
    plain = encoder.layers(images).numpy()
    weights = encoder.attention.weight[0].numpy()
    features, scores = encoder(images)
    merge, bias = encoder.merge.weight[:, :, 0, 0].numpy(), encoder.merge.bias.numpy()
    count, channels, rows, columns = plain.shape
    for n in range(count):
        pooled = [plain[n, c].mean() for c in range(channels)] + [plain[n, c].max() for c in range(channels)]
        assert scores[n, 0].item() == pytest.approx(float(weights @ np.array(pooled)))
        for r in range(rows):
            for c in range(columns):
                both = np.concatenate([plain[n, :, r, c], plain[n, :, r, c]]) * weights
                value = plain[n, :, r, c] + 0.7 * (merge @ both + bias)
                expected = np.where(value > 0, value, 0.2 * value)
                assert features[n, :, r, c].numpy() == pytest.approx(expected)


@torch.no_grad()
def test_norms_mix_instance_and_layer_norm() -> None:
    draw = np.random.default_rng(0)
    features = draw.normal(2, 3, size=(2, 4, 5, 3))
    scale, shift = draw.normal(size=(2, 2, 4))

    def mixed(n: int, c: int, share: float) -> Any:
        def normal(part: Any) -> Any:
            return (features[n, c] - part.mean()) / np.sqrt(part.var() + 1e-5)

        return share * normal(features[n, c]) + (1 - share) * normal(features[n])

    images = torch.from_numpy(features)
    adaptive = AdaptiveNorm(4).double()(images, torch.from_numpy(scale), torch.from_numpy(shift))
    own = LayerInstanceNorm(4).double()(images)
    mostly = 1 / (1 + np.exp(-2.2))
    for n in range(2):
        for c in range(4):
            expected = mixed(n, c, mostly) * scale[n, c] + shift[n, c]
            assert adaptive[n, c].numpy() == pytest.approx(expected)
            assert own[n, c].numpy() == pytest.approx(mixed(n, c, 1 - mostly))


def test_classifiers_see_what_the_paper_says() -> None:
    judge = Discriminator(2, 1, 3).double().eval()
    for part in judge.modules():
        if isinstance(part, nn.LeakyReLU):
            part.forward = lambda features: features  # type: ignore[method-assign]
    images = torch.randn(1, 3, 512, 128, dtype=torch.float64, requires_grad=True)
    seen = []
    for scores in judge(images)[1][1:]:
        (gradient,) = torch.autograd.grad(scores[0, 0, scores.shape[2] // 2].sum(), images, retain_graph=True)
        rows = gradient.abs().sum(dim=(0, 1, 3)).nonzero()
        seen.append(int(rows.max() - rows.min()) + 1)
    assert seen == [70, 286]


def test_published_sizes() -> None:
    config = NiceGanConfig()
    assert (config.learning_rate, config.betas, config.weight_decay) == (1e-4, (0.5, 0.999), 1e-4)
    assert (config.adversarial_weight, config.cycle_weight, config.reconstruction_weight) == (1, 10, 10)
    decoder = Decoder(config.channels, config.residual_blocks)
    count = sum(parameter.numel() for parameter in decoder.parameters())
    assert round(2 * count / 1e6, 1) == 16.2  # Table 3 of the paper: both generators


def test_discriminators_are_spectrally_normalised() -> None:
    judge = Discriminator(4, 0, 1)
    images = torch.randn(1, 3, 24, 24)
    for _ in range(30):
        judge(images)
    judge.eval()
    layers = [judge.encoder.layers[0], judge.encoder.attention, judge.near, judge.far[0], judge.wide[2]]
    for layer in (layer for layer in layers if hasattr(layer, "weight")):
        largest = torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2)
        assert largest.item() == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_discriminator_takes_its_smallest_edge(layers: int) -> None:
    edge = smallest_edge(layers)
    assert Discriminator(1, 0, layers)(torch.zeros(1, 3, edge, edge))[1][2].shape == (1, 1, 1, 1)


def test_slices_that_are_too_small_are_named_with_the_setting() -> None:
    method = new_method(global_layers=3)
    one, two = two_batches()
    with pytest.raises(ConfigError, match=r"global_layers = 3: .* at least 96 pixels .* got 24 x 28"):
        method.generator_losses(SliceBatch(one), SliceBatch(two))


def test_the_global_classifier_sees_more() -> None:
    with pytest.raises(ValidationError, match="local_layers must be less"):
        NiceGanConfig(local_layers=2, global_layers=2)


def test_encoders_are_kept_and_classifiers_are_not() -> None:
    method = new_method()
    names = set(method.kept.state_dict())
    assert any(name.startswith("encoders.target.layers") for name in names)
    assert any(name.startswith("decoders.source") for name in names)
    assert not any("wide" in name or "local" in name for name in names)


def _detached(images: Any) -> Any:
    return type(images)(*(getattr(images, name).detach() for name in images.__slots__))
