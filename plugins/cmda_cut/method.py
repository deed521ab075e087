"""CUT both ways: two one-sided translations, trained side by side and independent of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from cmda_core.training.adversarial import AdversarialMethod, Translations
from cmda_core.training.losses import least_squares
from cmda_core.training.networks import PatchDiscriminator, init_weights
from cmda_core.training.slices import SliceBatch
from cmda_cut.config import CutConfig
from cmda_cut.losses import patch_nce, random_places, vectors_at
from cmda_cut.networks import STRIDE, Heads, OneWay


class Cut(AdversarialMethod):
    """A generator with its perceptrons and a discriminator, by the modality that they make or judge."""

    stride = STRIDE

    def __init__(self, config: CutConfig) -> None:
        super().__init__()
        self._config = config
        self._ways = {
            side: OneWay(config.channels, config.residual_blocks, config.head_channels)
            for side in ("source", "target")
        }
        self.generator: nn.ModuleDict = nn.ModuleDict(self._ways)
        self.discriminator: nn.ModuleDict = nn.ModuleDict(
            {
                side: PatchDiscriminator(channels=config.channels, layers=config.discriminator_layers)
                for side in self._ways
            }
        )
        init_weights(self, "normal")
        self.extra: Mapping[str, object] = {}

    @property
    def kept(self) -> nn.Module:
        """The generators; the perceptrons are for the loss alone."""
        return nn.ModuleDict({side: way.generator for side, way in self._ways.items()})

    def generator_losses(
        self, source: SliceBatch, target: SliceBatch
    ) -> tuple[Mapping[str, Tensor], Translations]:
        to_target, fake_2 = self._one_way("target", source.images, target.images)
        to_source, fake_1 = self._one_way("source", target.images, source.images)
        terms = {name: term + to_source[name] for name, term in to_target.items()}
        return terms, Translations(source.images, fake_2, None, target.images, fake_1, None)

    def discriminator_losses(self, images: Translations) -> Mapping[str, Tensor]:
        return {
            "discriminator source": self._judged("source", images.source, images.fake_source),
            "discriminator target": self._judged("target", images.target, images.fake_target),
        }

    def translate(self, slices: Tensor, *, to_target: bool) -> Tensor:
        images: Tensor = self._ways["target" if to_target else "source"].generator(slices)
        return images

    def _one_way(self, side: str, foreign: Tensor, own: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Losses of the generator of a modality, and what it made of the images of the other one."""
        count = len(foreign)
        real = torch.cat([foreign, own]) if self._config.identity_weight else foreign
        made, contrast = self._made_and_contrast(self._ways[side], real)
        terms = {
            "adversarial": least_squares(self.discriminator[side](made[:count]), 1),
            "contrastive": self._config.contrastive_weight * contrast[:count].mean(),
        }
        if self._config.identity_weight:
            terms["identity"] = self._config.identity_weight * contrast[count:].mean()
        return terms, made[:count]

    def _made_and_contrast(self, way: OneWay, real: Tensor) -> tuple[Tensor, Tensor]:
        """Generated images, and PatchNCE of each of them with its input."""
        mirrored = self._config.flip_equivariance and self.training and bool(torch.rand(()) < 0.5)
        keys = way.generator.features(real.flip(-1) if mirrored else real)
        made: Tensor = way.generator.decoder(keys[-1])
        queries = way.generator.features(made)
        if mirrored:
            queries = [map_.flip(-1) for map_ in queries]
            with torch.no_grad():
                keys = way.generator.features(real)
        return made, self._patch_nce(way.heads, queries, keys)

    def _patch_nce(self, heads: Heads, queries: Sequence[Tensor], keys: Sequence[Tensor]) -> Tensor:
        """Mean over the layers for each image."""
        places = random_places(queries, self._config.patches)
        losses = []
        for head, query, key, here in zip(heads, queries, keys, places, strict=True):
            with torch.no_grad():  # what a patch shall be like does not move towards it (authors' code)
                wanted = head(vectors_at(key, here))
            losses.append(patch_nce(head(vectors_at(query, here)), wanted, self._config.temperature))
        return torch.stack(losses).mean(dim=0)

    def _judged(self, side: str, real: Tensor, fake: Tensor) -> Tensor:
        judge = self.discriminator[side]
        return (least_squares(judge(real), 1) + least_squares(judge(fake), 0)) / 2
