from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cmda_core.training.slices import SliceBatch
from cmda_cut.config import CutConfig
from cmda_cut.losses import patch_nce, random_places, vectors_at
from cmda_cut.method import Cut
from cmda_cut.networks import Generator, OneWay

TINY: dict[str, Any] = {
    "channels": 2,
    "residual_blocks": 3,
    "discriminator_layers": 1,
    "patches": 1000,
    "head_channels": 5,
}
"""More patches than a map has places: all are taken, in whatever order."""

Array = NDArray[np.float64]


def naive_nce(queries: Array, keys: Array, temperature: float) -> float:
    """Section 3 of the paper, patch by patch: queries and keys are (S, C)."""
    losses = []
    for place, query in enumerate(queries):
        likeness = [
            float(query @ key / np.linalg.norm(query) / np.linalg.norm(key)) / temperature for key in keys
        ]
        others = [value for number, value in enumerate(likeness) if number != place]
        positive = np.exp(likeness[place])
        losses.append(-np.log(positive / (positive + np.exp(others).sum())))
    return float(np.mean(losses))


def naive_contrast(way: OneWay, queries: list[Tensor], keys: list[Tensor], temperature: float) -> float:
    """Mean over layers and the images of a batch, with all places of each map."""
    found = []
    for head, query, key in zip(way.heads, queries, keys, strict=True):
        for output, wanted in zip(query, key, strict=True):
            vectors = [head(map_.flatten(1).T).numpy() for map_ in (output, wanted)]
            found.append(naive_nce(vectors[0], vectors[1], temperature))
    return float(np.mean(found))


def two_batches() -> tuple[Tensor, Tensor]:
    one, two = (torch.rand(2, 3, 12, 8, dtype=torch.float64) * 2 - 1 for _ in range(2))
    return one, two


def new_method(**settings: Any) -> Cut:
    torch.manual_seed(0)
    method = Cut(CutConfig(**{**TINY, **settings})).double()
    for name, parameter in method.generator.named_parameters():
        if "heads" in name and name.endswith("bias"):
            nn.init.normal_(parameter)  # with so few channels all of them may be off
    return method


def test_patch_nce_against_a_loop_over_the_formula() -> None:
    draw = np.random.default_rng(0)
    queries, keys = draw.normal(size=(2, 3, 7, 4))
    losses = patch_nce(torch.from_numpy(queries), torch.from_numpy(keys), 0.07)
    assert losses.tolist() == pytest.approx(
        [naive_nce(query, key, 0.07) for query, key in zip(queries, keys, strict=True)]
    )


def test_patches_are_different_places_of_each_map() -> None:
    maps = [torch.arange(2 * 3 * 4.0).view(1, 2, 3, 4), torch.zeros(1, 5, 2, 2)]
    many, all_ = random_places(maps, 7)
    assert (len(set(many.tolist())), sorted(all_.tolist())) == (7, [0, 1, 2, 3])
    assert vectors_at(maps[0], torch.tensor([5, 0])).tolist() == [[[5, 17], [0, 12]]]


@torch.no_grad()
def test_losses_against_the_formulas() -> None:
    method = new_method(contrastive_weight=3.0, identity_weight=2.0, temperature=0.2)
    one, two = two_batches()
    terms, images = method.generator_losses(SliceBatch(one), SliceBatch(two))
    ways, judges = method.generator, method.discriminator
    made = {"target": ways["target"].generator(one), "source": ways["source"].generator(two)}
    assert torch.allclose(images.fake_target, made["target"])
    assert torch.allclose(images.fake_source, made["source"])
    assert images.cycled_source is None

    def nce(side: str, image: Tensor) -> float:
        generator = ways[side].generator
        queries = generator.features(generator(image))
        return naive_contrast(ways[side], queries, generator.features(image), 0.2)

    def l2(scores: Tensor, wanted: float) -> float:
        return float(np.square(scores.numpy() - wanted).mean())

    assert terms["contrastive"].item() == pytest.approx(3 * (nce("target", one) + nce("source", two)))
    assert terms["identity"].item() == pytest.approx(2 * (nce("target", two) + nce("source", one)))
    assert terms["adversarial"].item() == pytest.approx(
        sum(l2(judges[side](fake), 1) for side, fake in made.items())
    )
    rivals = method.discriminator_losses(images)
    for side, real in (("source", one), ("target", two)):
        assert rivals[f"discriminator {side}"].item() == pytest.approx(
            (l2(judges[side](real), 1) + l2(judges[side](made[side]), 0)) / 2
        )


@torch.no_grad()
def test_fastcut_compares_mirrored_translations_mirrored_back() -> None:
    method = new_method(identity_weight=0, contrastive_weight=10, flip_equivariance=True)
    one, two = two_batches()
    expected = {}
    for side, image in (("target", one), ("source", two)):
        way = method.generator[side]
        keys = way.generator.features(image)
        straight = way.generator.features(way.generator(image))
        turned = [map_.flip(-1) for map_ in way.generator.features(way.generator(image.flip(-1)))]
        for mirrored, queries in ((False, straight), (True, turned)):
            expected[side, mirrored] = naive_contrast(way, queries, keys, 0.07)
    seen = set()
    for seed in range(8):
        torch.manual_seed(seed)
        terms, images = method.generator_losses(SliceBatch(one), SliceBatch(two))
        made = {"target": (one, images.fake_target), "source": (two, images.fake_source)}
        mirrored = {
            side: not torch.allclose(method.generator[side].generator(real), fake)
            for side, (real, fake) in made.items()
        }
        assert terms.keys() == {"adversarial", "contrastive"}
        assert terms["contrastive"].item() == pytest.approx(
            10 * sum(expected[key] for key in mirrored.items())
        )
        seen.add(mirrored["target"])
    assert seen == {True, False}
    method.eval()  # pictures show what is translated, unmirrored
    picture = method.generator_losses(SliceBatch(one), SliceBatch(two))[1].fake_target
    assert torch.allclose(picture, method.translate(one, to_target=True))


def test_keys_do_not_move_towards_queries() -> None:
    method = new_method(identity_weight=0)
    way = method.generator["target"]
    one, two = two_batches()
    method.generator_losses(SliceBatch(one), SliceBatch(two))[0]["contrastive"].backward()
    found = [parameter.grad.clone() for parameter in way.parameters()]
    way.zero_grad()
    features = way.generator.features(one)
    queries = way.generator.features(way.generator.decoder(features[-1]))
    fixed = [
        head(vectors_at(f, torch.arange(f[0, 0].numel()))).detach()
        for head, f in zip(way.heads, features, strict=True)
    ]
    losses = [
        patch_nce(head(vectors_at(q, torch.arange(q[0, 0].numel()))), key, 0.07).mean()
        for head, q, key in zip(way.heads, queries, fixed, strict=True)
    ]
    torch.stack(losses).mean().backward()
    for expected, parameter in zip(found, way.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, expected)


def test_published_sizes() -> None:
    with torch.device("meta"):
        method = Cut(CutConfig())
    way, judge = method.generator["target"], method.discriminator["target"]
    counts = [sum(p.numel() for p in part.parameters()) for part in (way.generator, way.heads, judge)]
    # As contrastive-unpaired-translation prints for networks G, F and D.
    assert [round(count / 1e6, 3) for count in counts] == [11.378, 0.560, 2.765]
    config = CutConfig()
    assert (config.learning_rate, config.betas, config.schedule, config.epochs) == (
        2e-4,
        (0.5, 0.999),
        "linear",
        400,
    )
    assert (config.patches, config.head_channels, config.temperature) == (256, 256, 0.07)
    assert (config.contrastive_weight, config.identity_weight) == (1, 1)


def test_features_see_what_the_paper_says() -> None:
    generator = Generator(2, 9).double()
    for part in generator.modules():
        if isinstance(part, nn.InstanceNorm2d | nn.ReLU):  # a mean looks at all, and a ReLU may look away
            part.forward = lambda features: features  # type: ignore[method-assign]
    images = torch.randn(1, 3, 160, 16, dtype=torch.float64, requires_grad=True)
    seen = []
    for map_ in generator.features(images):
        middle = map_[0, :, map_.shape[2] // 2, map_.shape[3] // 2].sum()
        (gradient,) = torch.autograd.grad(middle, images, retain_graph=True)
        rows = gradient.abs().sum(dim=(0, 1, 3)).nonzero()
        seen.append(int(rows.max() - rows.min()) + 1)
    assert seen == [1, 9, 15, 35, 99]


@pytest.mark.parametrize("blocks", [1, 2, 3, 9])
def test_generator_keeps_the_size_and_shows_maps_of_known_widths(blocks: int) -> None:
    generator = Generator(2, blocks)
    images = torch.zeros(1, 3, 20, 28)
    assert generator(images).shape == images.shape
    assert tuple(map_.shape[1] for map_ in generator.features(images)) == generator.widths


def test_perceptrons_are_trained_but_not_kept() -> None:
    method = new_method()
    assert any("heads" in name for name in method.generator.state_dict())
    kept = method.kept.state_dict()
    assert kept
    assert not any("heads" in name for name in kept)
