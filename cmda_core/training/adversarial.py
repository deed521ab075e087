"""What 2.5D adversarial translators share: sampling, alternating updates, schedules, pictures.

A method brings networks and losses, as an `AdversarialMethod`; `train_adversarial` does the rest.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cmda_core.protocols import TranslationData
from cmda_core.run import Run
from cmda_core.training.config import AdversarialConfig
from cmda_core.training.execution import execution
from cmda_core.training.loop import train
from cmda_core.training.prefetch import Prefetched
from cmda_core.training.replicas import share_weights
from cmda_core.training.slices import SliceBatch, SliceSampler
from cmda_core.training.updates import AlternatingUpdates

_SOURCE_STREAM, _TARGET_STREAM = 0, 1

_Pair = tuple[SliceBatch, SliceBatch]


@dataclass(frozen=True, slots=True)
class Translations:
    """What the generator made of a batch of each modality; all ``(N, 3, H, W)`` in [-1, 1].

    Attributes:
        source: Real source images I1.
        fake_target: I1 translated.
        cycled_source: I1 translated and translated back; None in methods without a cycle.
        target: Real target images I2.
        fake_source: I2 translated.
        cycled_target: I2 translated and translated back; None in methods without a cycle.
    """

    source: Tensor
    fake_target: Tensor
    cycled_source: Tensor | None
    target: Tensor
    fake_source: Tensor
    cycled_target: Tensor | None


class AdversarialMethod(nn.Module, ABC):
    """Networks and losses of one method.

    Attributes:
        generator: All that is trained against the discriminator, which is frozen meanwhile: a generator
            may go through layers of it without changing them.
        discriminator: All that is trained against the generator.
        stride: What the edges of an image must divide by.
        extra: Further state to keep in checkpoints, such as image pools.
    """

    generator: nn.Module
    discriminator: nn.Module
    stride: int
    extra: Mapping[str, Any]

    @property
    def kept(self) -> nn.Module:
        """What ``translate`` needs, which is averaged, saved and loaded: the generator.

        Override it where that is less (networks that only a loss needs) or more (layers of the
        discriminator); the modules must be those of ``generator`` and ``discriminator`` themselves.
        """
        return self.generator

    @abstractmethod
    def generator_losses(
        self, source: SliceBatch, target: SliceBatch
    ) -> tuple[Mapping[str, Tensor], Translations]:
        """Weighted loss terms, whose sum is minimised, and the images that were made on the way."""

    @abstractmethod
    def discriminator_losses(self, images: Translations) -> Mapping[str, Tensor]:
        """Weighted loss terms, whose sum is minimised; ``images`` carry no gradients."""

    @abstractmethod
    def translate(self, slices: Tensor, *, to_target: bool) -> Tensor:
        """Slice triples ``(N, 3, H, W)`` rendered as the target or as the source modality."""


def train_adversarial(
    method: AdversarialMethod, data: TranslationData, config: AdversarialConfig, run: Run
) -> None:
    """Train generator and discriminator in turns, going on from the run's checkpoint if it has one.

    Each step makes the images once and uses them for both updates. With several processes, each
    draws ``batch_size`` samples of its own and the gradients are averaged: a step of N processes is that
    of one with N times the batch, but for norms over the batch and image pools.

    Args:
        method: Left on the run's device, with its generator in evaluation mode.
        data: Prepared cohorts.
        config: Steps, optimisers, samples.
        run: Folder, device, seed.

    Raises:
        DataError: If a cohort is empty or a window does not fit into its slices.
    """
    fabric = run.fabric
    method.to(fabric.device).train()
    share_weights([method], fabric)
    sampler = _PairSampler(data, config, run, method.stride)
    steps = math.ceil(config.epochs * sampler.cases / (config.batch_size * fabric.world_size))
    updates = AlternatingUpdates(method, config, steps, fabric)

    @torch.no_grad()
    def show(done: int) -> None:
        if not fabric.is_global_zero:
            return
        # A picture must change neither running means nor random generators: a training that is resumed
        # from a checkpoint between two pictures would end differently.
        method.eval()
        with torch.random.fork_rng():
            # Always the same samples, so that the pictures of a run can be compared.
            _, images = method.generator_losses(*sampler.moved(sampler.pair(0)))
        method.train()
        run.picture(f"step-{done:07d}", contact_sheet(images))

    with execution(config, method), Prefetched(sampler.pair) as samples:
        train(
            run,
            updates.trainable,
            lambda step: updates(*sampler.moved(samples.sample(step)), step),
            steps=steps,
            description="train translator",
            save_every=config.save_every,
            log_every=config.log_every,
            on_save=show,
        )
    updates.finish()
    method.eval()


def contact_sheet(images: Translations) -> NDArray[np.uint8]:
    """The middle slices of the first samples: real, translated, if there is one translated back.

    A row per modality.
    """
    rows = [
        [images.source, images.fake_target, images.cycled_source],
        [images.target, images.fake_source, images.cycled_target],
    ]
    sheet = torch.cat([torch.cat([part[0, 1] for part in row if part is not None], dim=1) for row in rows])
    pixels: NDArray[np.uint8] = ((sheet.float().clamp(-1, 1) + 1) * 127.5).round().byte().cpu().numpy()
    return pixels


class _PairSampler:
    """Unpaired batches of both modalities, other ones in each process."""

    def __init__(self, data: TranslationData, config: AdversarialConfig, run: Run, stride: int) -> None:
        self._source, self._target = (
            SliceSampler(cohort, seed=run.seed, size=config.patch, flip=config.flip)
            # Whatever labels the target cases may name, no translator can learn from them.
            for cohort in (data.source, data.target.images_alone())
        )
        self._batch_size = config.batch_size
        self._stride = stride
        self._fabric = run.fabric

    @property
    def cases(self) -> int:
        """Source cases: the samples of an epoch."""
        return len(self._source)

    def pair(self, step: int) -> _Pair:
        """The batches of a step, with edges that the networks can halve; ready for the device."""
        position = step * self._fabric.world_size + self._fabric.global_rank
        source = self._source.batch(position, self._batch_size, _SOURCE_STREAM).padded(self._stride)
        target = self._target.batch(position, self._batch_size, _TARGET_STREAM).padded(self._stride)
        if self._fabric.device.type == "cuda":
            return source.pinned(), target.pinned()
        return source, target

    def moved(self, pair: _Pair) -> _Pair:
        """The batches on the device."""
        source, target = pair
        return source.to(self._fabric.device), target.to(self._fabric.device)
