"""The losses of NICE-GAN (section 3.3), trained decoupled.

An encoder learns in its discriminator alone. `train_adversarial` freezes the discriminators while the
decoders learn, so gradients pass through the encoders of translated images and do not change them.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from cmda_core.errors import ConfigError
from cmda_core.training.adversarial import AdversarialMethod, Translations
from cmda_core.training.losses import difference, least_squares
from cmda_core.training.slices import SliceBatch
from cmda_nicegan.config import NiceGanConfig
from cmda_nicegan.networks import STRIDE, Decoder, Discriminator, smallest_edge


class NiceGan(AdversarialMethod):
    """Decoders by the modality that they make, discriminators by the one that they judge and encode."""

    stride = STRIDE

    def __init__(self, config: NiceGanConfig) -> None:
        super().__init__()
        self._config = config
        sides = ("source", "target")
        self._decoders = {side: Decoder(config.channels, config.residual_blocks) for side in sides}
        self._judges = {
            side: Discriminator(config.channels, config.local_layers, config.global_layers) for side in sides
        }
        self.generator: nn.ModuleDict = nn.ModuleDict(self._decoders)
        self.discriminator: nn.ModuleDict = nn.ModuleDict(self._judges)
        self.extra: Mapping[str, object] = {}

    @property
    def kept(self) -> nn.Module:
        """Decoders and encoders; the classifiers are for the training alone."""
        encoders = nn.ModuleDict({side: judge.encoder for side, judge in self._judges.items()})
        return nn.ModuleDict({"encoders": encoders, "decoders": self.generator})

    def generator_losses(
        self, source: SliceBatch, target: SliceBatch
    ) -> tuple[Mapping[str, Tensor], Translations]:
        real_1, real_2 = source.images, target.images
        self._require_size(real_1)
        to_source, to_target = self._decoders["source"], self._decoders["target"]
        (code_1, _), (code_2, _) = (
            self._judges["source"].encoder(real_1),
            self._judges["target"].encoder(real_2),
        )
        fake_1, fake_2 = to_source(code_2), to_target(code_1)
        back_1, scores_1 = self._judges["source"](fake_1)
        back_2, scores_2 = self._judges["target"](fake_2)
        cycled_1, cycled_2 = to_source(back_2), to_target(back_1)
        same_1, same_2 = to_source(code_1), to_target(code_2)
        terms = {
            "adversarial": self._config.adversarial_weight * _scored([*scores_1, *scores_2], 1),
            "cycle": self._config.cycle_weight
            * (difference(cycled_1, real_1) + difference(cycled_2, real_2)),
            "reconstruction": self._config.reconstruction_weight
            * (difference(same_1, real_1) + difference(same_2, real_2)),
        }
        return terms, Translations(real_1, fake_2, cycled_1, real_2, fake_1, cycled_2)

    def discriminator_losses(self, images: Translations) -> Mapping[str, Tensor]:
        return {
            "discriminator source": self._judged("source", images.source, images.fake_source),
            "discriminator target": self._judged("target", images.target, images.fake_target),
        }

    def translate(self, slices: Tensor, *, to_target: bool) -> Tensor:
        there, here = ("target", "source") if to_target else ("source", "target")
        code, _ = self._judges[here].encoder(slices)
        images: Tensor = self._decoders[there](code)
        return images

    def _judged(self, side: str, real: Tensor, fake: Tensor) -> Tensor:
        (_, for_real), (_, for_fake) = self._judges[side](real), self._judges[side](fake)
        return self._config.adversarial_weight * (_scored(for_real, 1) + _scored(for_fake, 0))

    def _require_size(self, images: Tensor) -> None:
        layers = self._config.global_layers
        needed, found = smallest_edge(layers), images.shape[-2:]
        if min(found) < needed:
            raise ConfigError(
                f"global_layers = {layers}: needs slices of at least {needed} pixels along each edge, got "
                f"{found[0]} x {found[1]}. Set fewer layers, or a larger patch."
            )


def _scored(scores: list[Tensor], wanted: float) -> Tensor:
    """Sum over classifiers."""
    total: Tensor = sum(
        (least_squares(score, wanted) for score in scores[1:]), least_squares(scores[0], wanted)
    )
    return total
