"""The losses of MSF-Net (eq. 1 to 4), with only the passes that they need.

Both modalities go through the encoder as one batch, which changes nothing because instance norm
treats every image alone; each decoder runs on just the features that a loss asks of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from cmda_core.training.adversarial import AdversarialMethod, Translations
from cmda_core.training.losses import difference, least_squares, segmentation_loss
from cmda_core.training.perceptual import PerceptualLoss
from cmda_core.training.slices import SliceBatch
from cmda_msfnet.config import MsfNetConfig
from cmda_msfnet.networks import STRIDE, Discriminators, MsfNet
from cmda_msfnet.proxies import ProxyLabels


class MsfNetMethod(AdversarialMethod):
    """MSF-Net in training.

    Args:
        config: Settings.
        generator: Encoder and decoders.
        labels: What the proxy tasks are to predict.
    """

    def __init__(self, config: MsfNetConfig, generator: MsfNet, labels: ProxyLabels) -> None:
        super().__init__()
        self.generator: MsfNet = generator
        self.discriminator: Discriminators = Discriminators(
            config.discriminator_channels, config.discriminator_layers, config.discriminator_norm
        )
        self.stride = STRIDE
        self.extra: Mapping[str, object] = {}
        self._config = config
        self._labels = labels
        self._perceptual = _perceptual(config)

    def generator_losses(
        self, source: SliceBatch, target: SliceBatch
    ) -> tuple[Mapping[str, Tensor], Translations]:
        real_1, real_2 = source.images, target.images
        real = torch.cat([real_1, real_2])
        features = self.generator.encoder(real)
        recovered_1, fake_1 = _split(self.generator.to_source(features), len(real_1))
        fake_2, recovered_2 = _split(self.generator.to_target(features), len(real_1))
        back_1, back_2 = _split(self.generator.encoder(torch.cat([fake_2, fake_1])), len(real_1))
        cycled_1, cycled_2 = self.generator.to_source(back_1), self.generator.to_target(back_2)

        terms = {
            "reconstruction": self._config.reconstruction_weight
            * (self._difference(recovered_1, real_1) + self._difference(recovered_2, real_2)),
            "cycle": self._config.cycle_weight
            * (self._difference(cycled_1, real_1) + self._difference(cycled_2, real_2)),
            "adversarial": self._adversarial(fake_1, fake_2),
        }
        if self._perceptual is not None:
            recovered = torch.cat([recovered_1, recovered_2])
            # Two means, added, are twice the mean of both: batches of the modalities have the same size.
            terms["perceptual"] = 2 * self._config.perceptual_weight * self._perceptual(recovered, real)
        supervised = [features[: len(real_1)]]
        if self._config.proxy_on_cycled:
            supervised.append(back_1)
        terms |= self._proxy_losses(supervised, source)
        return terms, Translations(real_1, fake_2, cycled_1, real_2, fake_1, cycled_2)

    def discriminator_losses(self, images: Translations) -> Mapping[str, Tensor]:
        real_1, real_2 = self.discriminator(*self._windows(images.source, images.target))
        fake_1, fake_2 = self.discriminator(*self._windows(images.fake_source, images.fake_target))
        return {
            "discriminator source": least_squares(real_1, 1) + least_squares(fake_1, 0),
            "discriminator target": least_squares(real_2, 1) + least_squares(fake_2, 0),
        }

    def translate(self, slices: Tensor, *, to_target: bool) -> Tensor:
        return self.generator.translate(slices, to_target=to_target)

    def _difference(self, images: Tensor, wanted: Tensor) -> Tensor:
        return difference(images, wanted, self._config.reconstruction)

    def _adversarial(self, fake_1: Tensor, fake_2: Tensor) -> Tensor:
        scores_1, scores_2 = self.discriminator(*self._windows(fake_1, fake_2))
        return least_squares(scores_1, 1) + least_squares(scores_2, 1)

    def _proxy_losses(self, passes: Sequence[Tensor], source: SliceBatch) -> dict[str, Tensor]:
        """Eq. 4 for the features of each pass: decoded together, and each a term of its own."""
        losses = {}
        for name, decoder in self.generator.proxies.items():
            labels = self._labels.of(name, source)
            scores = decoder(torch.cat(list(passes))).split(len(labels))
            losses[name] = torch.stack([segmentation_loss(part, labels) for part in scores]).sum()
        return losses

    def _windows(self, *images: Tensor) -> list[Tensor]:
        """A random window of each batch of images."""
        edge = self._config.discriminator_crop
        return [image if edge is None else _window(image, edge) for image in images]


def _window(images: Tensor, edge: int) -> Tensor:
    """A random square, or all along an axis that is no longer than the square."""
    height, width = (min(edge, limit) for limit in images.shape[-2:])
    top = int(torch.randint(images.shape[-2] - height + 1, ()))
    left = int(torch.randint(images.shape[-1] - width + 1, ()))
    return images[..., top : top + height, left : left + width]


def _split(images: Tensor, first: int) -> tuple[Tensor, Tensor]:
    return images[:first], images[first:]


def _perceptual(config: MsfNetConfig) -> PerceptualLoss | None:
    if config.perceptual == "off":
        return None
    return PerceptualLoss(
        config.perceptual,
        weights=config.vgg_weights,
        average_pooling=config.perceptual_pooling == "average",
    )
