"""What 2.5D adversarial translators share: sampling, alternating updates, schedules, pictures.

A method brings networks and losses, as an `AdversarialMethod`; `train_adversarial` does the rest.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cmda_core.protocols import TranslationData
from cmda_core.run import Run
from cmda_core.training.config import AdversarialConfig
from cmda_core.training.loop import Trainable, train
from cmda_core.training.replicas import average_gradients, share_weights
from cmda_core.training.schedules import schedule
from cmda_core.training.slices import SliceBatch, SliceSampler

if TYPE_CHECKING:
    from lightning.fabric import Fabric

_SOURCE_STREAM, _TARGET_STREAM = 0, 1


@dataclass(frozen=True, slots=True)
class Translations:
    """What the generator made of a batch of each modality; all ``(N, 3, H, W)`` in [-1, 1].

    Attributes:
        source: Real source images I1.
        fake_target: I1 translated.
        cycled_source: I1 translated and translated back.
        target: Real target images I2.
        fake_source: I2 translated.
        cycled_target: I2 translated and translated back.
    """

    source: Tensor
    fake_target: Tensor
    cycled_source: Tensor
    target: Tensor
    fake_source: Tensor
    cycled_target: Tensor


class AdversarialMethod(nn.Module, ABC):
    """Networks and losses of one method.

    Attributes:
        generator: All that is trained against the discriminator.
        discriminator: All that is trained against the generator.
        stride: What the edges of an image must divide by.
        extra: Further state to keep in checkpoints, such as image pools.
    """

    generator: nn.Module
    discriminator: nn.Module
    stride: int
    extra: Mapping[str, Any]

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
    generator = _Updater(method.generator, config, steps, fabric)
    discriminator = _Updater(method.discriminator, config, steps, fabric)
    average = _average(method.generator, config.ema)

    def step(number: int) -> Mapping[str, Tensor]:
        source, target = sampler.pair(number)
        method.discriminator.requires_grad_(False)
        with fabric.autocast():
            terms, images = method.generator_losses(source, target)
        generator.update(terms)
        method.discriminator.requires_grad_(True)
        with fabric.autocast():
            rivals = method.discriminator_losses(_detached(images))
        discriminator.update(rivals)
        for averaged in average.values():
            averaged.update_parameters(method.generator)
        return {key: value.detach() for key, value in {**terms, **rivals}.items()}

    @torch.no_grad()
    def show(done: int) -> None:
        if not fabric.is_global_zero:
            return
        # The checkpoint is written already: a picture must change neither running means nor random
        # generators, or a resumed training would end differently.
        method.eval()
        with torch.random.fork_rng():
            # Always the same samples, so that the pictures of a run can be compared.
            _, images = method.generator_losses(*sampler.pair(0))
        method.train()
        run.picture(f"step-{done:07d}", contact_sheet(images))

    train(
        run,
        Trainable(
            modules={"generator": method.generator, "discriminator": method.discriminator, **average},
            optimizers={"generator": generator.optimizer, "discriminator": discriminator.optimizer},
            schedulers={"generator": generator.schedule, "discriminator": discriminator.schedule},
            extra=method.extra,
        ),
        step,
        steps=steps,
        description="train translator",
        save_every=config.save_every,
        log_every=config.log_every,
        on_save=show,
    )
    for averaged in average.values():
        method.generator.load_state_dict(averaged.module.state_dict())
    method.eval()


def contact_sheet(images: Translations) -> NDArray[np.uint8]:
    """The middle slices of the first samples: real, translated, translated back; a row per modality."""
    rows = [
        [images.source, images.fake_target, images.cycled_source],
        [images.target, images.fake_source, images.cycled_target],
    ]
    sheet = torch.cat([torch.cat([part[0, 1] for part in row], dim=1) for row in rows])
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

    def pair(self, step: int) -> tuple[SliceBatch, SliceBatch]:
        """The batches of a step, on the device, with edges that the networks can halve."""
        position = step * self._fabric.world_size + self._fabric.global_rank
        device = self._fabric.device
        source = self._source.batch(position, self._batch_size, _SOURCE_STREAM)
        target = self._target.batch(position, self._batch_size, _TARGET_STREAM)
        return source.padded(self._stride).to(device), target.padded(self._stride).to(device)


class _Updater:
    """Adam with its schedule for one of the two sides."""

    def __init__(self, module: nn.Module, config: AdversarialConfig, steps: int, fabric: Fabric) -> None:
        self._parameters = list(module.parameters())
        self._fabric = fabric
        self.optimizer = Adam(self._parameters, lr=config.learning_rate, betas=config.betas)
        self.schedule = schedule(self.optimizer, config.schedule, steps)
        self._stepper = cast(Optimizer, fabric.setup_optimizers(self.optimizer))

    def update(self, terms: Mapping[str, Tensor]) -> None:
        """Minimise the sum of the terms."""
        self.optimizer.zero_grad()
        self._fabric.backward(_total(terms.values()))
        average_gradients(self._parameters, self._fabric)
        self._stepper.step()


def _total(terms: Iterable[Tensor]) -> Tensor:
    return torch.stack([term.float() for term in terms]).sum()


def _average(generator: nn.Module, decay: float) -> dict[str, AveragedModel]:
    if not decay:
        return {}
    return {"average": AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)}


def _detached(images: Translations) -> Translations:
    return Translations(*(getattr(images, field.name).detach() for field in fields(images)))
