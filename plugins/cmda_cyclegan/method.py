"""Networks and losses of CycleGAN (Zhu et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from cmda_core.training.adversarial import AdversarialMethod, Translations
from cmda_core.training.image_pool import ImagePool
from cmda_core.training.losses import difference, least_squares
from cmda_core.training.networks import PatchDiscriminator, ResidualBlock, init_weights
from cmda_core.training.slices import SliceBatch
from cmda_cyclegan.config import CycleGanConfig


def resnet_generator(channels: int, blocks: int) -> nn.Sequential:
    """Three slices to three slices in [-1, 1]; H and W divide by 4."""

    def activated(width: int) -> tuple[nn.Module, nn.Module]:
        return nn.InstanceNorm2d(width), nn.ReLU(inplace=True)

    def up(width: int) -> nn.Module:
        return nn.ConvTranspose2d(2 * width, width, 3, stride=2, padding=1, output_padding=1)

    return nn.Sequential(
        nn.Conv2d(3, channels, 7, padding=3, padding_mode="reflect"),
        *activated(channels),
        nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1),
        *activated(2 * channels),
        nn.Conv2d(2 * channels, 4 * channels, 3, stride=2, padding=1),
        *activated(4 * channels),
        *(ResidualBlock(4 * channels) for _ in range(blocks)),
        up(2 * channels),
        *activated(2 * channels),
        up(channels),
        *activated(channels),
        nn.Conv2d(channels, 3, 7, padding=3, padding_mode="reflect"),
        nn.Tanh(),
    )


class CycleGan(AdversarialMethod):
    """Two generators and two discriminators, by the modality that they make or judge."""

    stride = 4

    def __init__(self, config: CycleGanConfig) -> None:
        super().__init__()
        self._config = config
        self.generator: nn.ModuleDict = nn.ModuleDict(
            {side: resnet_generator(config.channels, config.residual_blocks) for side in ("source", "target")}
        )
        self.discriminator: nn.ModuleDict = nn.ModuleDict(
            {
                side: PatchDiscriminator(channels=config.channels, layers=config.discriminator_layers)
                for side in ("source", "target")
            }
        )
        init_weights(self, "normal")
        self.extra = {side: ImagePool(config.pool_size) for side in ("source", "target")}

    def generator_losses(
        self, source: SliceBatch, target: SliceBatch
    ) -> tuple[Mapping[str, Tensor], Translations]:
        to_source, to_target = self.generator["source"], self.generator["target"]
        real_1, real_2 = source.images, target.images
        fake_1, fake_2 = to_source(real_2), to_target(real_1)
        cycled_1, cycled_2 = to_source(fake_2), to_target(fake_1)
        weight = self._config.cycle_weight
        terms = {
            "adversarial": least_squares(self.discriminator["source"](fake_1), 1)
            + least_squares(self.discriminator["target"](fake_2), 1),
            "cycle": weight * (difference(cycled_1, real_1) + difference(cycled_2, real_2)),
        }
        if self._config.identity_weight:
            same = difference(to_source(real_1), real_1) + difference(to_target(real_2), real_2)
            terms["identity"] = weight * self._config.identity_weight * same
        return terms, Translations(real_1, fake_2, cycled_1, real_2, fake_1, cycled_2)

    def discriminator_losses(self, images: Translations) -> Mapping[str, Tensor]:
        sides = {
            "source": (images.source, images.fake_source),
            "target": (images.target, images.fake_target),
        }
        return {
            f"discriminator {side}": self._judged(side, real, self.extra[side].exchange(fake))
            for side, (real, fake) in sides.items()
        }

    def translate(self, slices: Tensor, *, to_target: bool) -> Tensor:
        images: Tensor = self.generator["target" if to_target else "source"](slices)
        return images

    def _judged(self, side: str, real: Tensor, fake: Tensor) -> Tensor:
        judge = self.discriminator[side]
        # Halved, which slows the discriminator down against the generator (section 7.1 of the paper).
        return (least_squares(judge(real), 1) + least_squares(judge(fake), 0)) / 2
