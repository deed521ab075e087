"""A training step of MSF-Net with the passes that its authors publish, for comparison.

Written from a description of their code; the networks are ours and have the same weights. What it does
and ours does not: every pass runs all four decoders; the images for the discriminators' update are made
by passes of their own; the discriminators gather gradients in the generator's update; VGG19's weights
gather gradients, and so the features of the real images are differentiated too; label decoders convolve
enlarged images; soft Dice holds one-hot maps of all classes in float32, and four maps as large.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from cmda_core.training.networks import UpsamplingConv2d
from cmda_core.training.slices import SliceBatch
from cmda_msfnet.config import MsfNetConfig
from cmda_msfnet.networks import Discriminators, MsfNet
from cmda_msfnet.proxies import ProxyLabels

from .operations import Networks, named


@dataclass(frozen=True, slots=True)
class Outputs:
    """What one pass makes: an image of each modality and scores of each proxy task."""

    source: Tensor
    target: Tensor
    scores: dict[str, Tensor]


class ReferenceStep:
    """Updates networks as the authors do.

    Args:
        config: Losses and their weights.
        generator: Changed by every step.
        discriminator: Changed by every step.
        labels: What the proxy tasks are to predict.
        vgg: Layers of VGG19, or none.
    """

    def __init__(
        self,
        config: MsfNetConfig,
        generator: MsfNet,
        discriminator: Discriminators,
        labels: ProxyLabels,
        vgg: nn.ModuleList | None,
    ) -> None:
        self._config = config
        self._generator = generator
        self._discriminator = discriminator
        self._labels = labels
        self._vgg = None if vgg is None else vgg.requires_grad_(True)
        for layer in generator.modules():
            if isinstance(layer, UpsamplingConv2d):
                layer.forward = partial(_enlarge_and_convolve, layer)
        self._optimizers = [
            torch.optim.Adam(network.parameters(), lr=config.learning_rate, betas=config.betas)
            for network in (generator, discriminator)
        ]

    def __call__(self, source: SliceBatch, target: SliceBatch) -> dict[str, Tensor]:
        """Update the discriminators, then the generator; the loss terms by the names that ours have."""
        for_generator, for_discriminator = self._optimizers
        rivals = self._rivals(source.images, target.images)
        for_discriminator.zero_grad()
        sum(rivals.values()).backward()
        for_discriminator.step()
        terms = self._terms(source, target)
        for_generator.zero_grad()
        sum(terms.values()).backward()
        for_generator.step()
        return {**terms, **rivals}

    def networks(self) -> Networks:
        """The networks by name."""
        return named(self._generator, self._discriminator, self._vgg or ())

    def _pass(self, images: Tensor) -> Outputs:
        network = self._generator
        features = network.encoder(images)
        scores = {name: decoder(features) for name, decoder in network.proxies.items()}
        return Outputs(network.to_source(features), network.to_target(features), scores)

    def _rivals(self, real_1: Tensor, real_2: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            of_1, of_2 = self._pass(real_1), self._pass(real_2)
        judge = self._discriminator
        return {
            "discriminator source": _square(judge.source(real_1), 1) + _square(judge.source(of_2.source), 0),
            "discriminator target": _square(judge.target(real_2), 1) + _square(judge.target(of_1.target), 0),
        }

    def _terms(self, source: SliceBatch, target: SliceBatch) -> dict[str, Tensor]:
        config, judge = self._config, self._discriminator
        of_1 = self._pass(source.images)
        cycle_1 = self._pass(of_1.target)
        of_2 = self._pass(target.images)
        cycle_2 = self._pass(of_2.source)
        terms = {
            "reconstruction": config.reconstruction_weight
            * (self._pixels(of_1.source, source.images) + self._pixels(of_2.target, target.images)),
            "cycle": config.cycle_weight
            * (self._pixels(cycle_1.source, source.images) + self._pixels(cycle_2.target, target.images)),
            "adversarial": _square(judge.source(of_2.source), 1) + _square(judge.target(of_1.target), 1),
        }
        if self._vgg is not None:
            terms["perceptual"] = config.perceptual_weight * (
                self._perceptual(of_1.source, source.images) + self._perceptual(of_2.target, target.images)
            )
        supervised = [of_1, cycle_1] if config.proxy_on_cycled else [of_1]
        for name in config.proxies:
            classes = self._labels.of(name, source)
            terms[name] = sum(_proxy(outputs.scores[name], classes) for outputs in supervised)
        return terms

    def _pixels(self, images: Tensor, wanted: Tensor) -> Tensor:
        loss = functional.l1_loss if self._config.reconstruction == "l1" else functional.smooth_l1_loss
        return loss(images, wanted)

    def _perceptual(self, images: Tensor, wanted: Tensor) -> Tensor:
        mean = images.new_tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
        deviation = images.new_tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
        one, two = (((images_ / 2 + 0.5) - mean) / deviation for images_ in (images, wanted))
        losses = []
        for layer in self._vgg or ():
            one, two = layer(one), layer(two)
            if isinstance(layer, nn.ReLU):
                losses.append(functional.mse_loss(one, two, reduction="none").mean())
        return torch.stack(losses).sum()


def _enlarge_and_convolve(layer: UpsamplingConv2d, features: Tensor) -> Tensor:
    large = functional.interpolate(features, scale_factor=2, mode="nearest")
    return functional.conv2d(large, layer.weight, layer.bias, padding=1)


def _square(scores: Tensor, wanted: float) -> Tensor:
    return functional.mse_loss(scores, torch.full_like(scores, wanted))


def _proxy(scores: Tensor, classes: Tensor) -> Tensor:
    truth = functional.one_hot(classes, scores.shape[1]).permute(0, 3, 1, 2).float()
    shares = scores.softmax(dim=1)
    right, extra, missed = shares * truth, shares * (1 - truth), (1 - shares) * truth
    _ = (1 - shares) * (1 - truth)  # their loss makes this map too, and leaves it
    right, extra, missed = (part.sum(dim=(0, 2, 3)) for part in (right, extra, missed))
    dice = (2 * right + 1) / (2 * right + extra + missed + 1)
    return functional.cross_entropy(scores, classes) + 1 - dice.mean()
