"""One step of an adversarial training: the generator's update and the discriminator's."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.optim.swa_utils import get_ema_multi_avg_fn

from cmda_core.training.config import AdversarialConfig
from cmda_core.training.execution import is_fused, keep_layout
from cmda_core.training.loop import Trainable
from cmda_core.training.schedules import schedule
from cmda_core.training.slices import SliceBatch

if TYPE_CHECKING:
    from lightning.fabric import Fabric

    from cmda_core.training.adversarial import AdversarialMethod, Translations


class AlternatingUpdates:
    """Updates the generator, then the discriminator with the images that were made for the generator.

    Nothing in it waits for the device.

    Args:
        method: Networks and losses, on the device.
        config: Optimisers, schedule, moving average.
        steps: Number of steps in all.
        fabric: Precision and processes.
    """

    def __init__(
        self, method: AdversarialMethod, config: AdversarialConfig, steps: int, fabric: Fabric
    ) -> None:
        self._method = method
        self._fabric = fabric
        self._sides = {
            "generator": _Side(method.generator, config, steps, fabric),
            "discriminator": _Side(method.discriminator, config, steps, fabric),
        }
        self._average = _Average(method.generator, config.ema) if config.ema else None

    def __call__(self, source: SliceBatch, target: SliceBatch, step: int) -> Mapping[str, Tensor]:
        """Do one step.

        Args:
            source: Batch of the source modality, on the device.
            target: Batch of the target modality, on the device.
            step: Number of the step, counted from 0.

        Returns:
            The weighted loss terms of both sides, detached.
        """
        self._method.discriminator.requires_grad_(False)
        with self._fabric.autocast():
            terms, images = self._method.generator_losses(source, target)
        self._sides["generator"].update(terms)
        self._method.discriminator.requires_grad_(True)
        with self._fabric.autocast():
            rivals = self._method.discriminator_losses(_detached(images))
        self._sides["discriminator"].update(rivals)
        if self._average is not None:
            self._average.update(self._method.generator, step)
        return {key: value.detach() for key, value in {**terms, **rivals}.items()}

    @property
    def trainable(self) -> Trainable:
        """All that the steps change."""
        modules = {name: cast(nn.Module, getattr(self._method, name)) for name in self._sides}
        if self._average is not None:
            modules["average"] = self._average.module
        return Trainable(
            modules=modules,
            optimizers={name: side.optimizer for name, side in self._sides.items()},
            schedulers={name: side.schedule for name, side in self._sides.items()},
            extra=self._method.extra,
        )

    def finish(self) -> None:
        """Give the generator its averaged weights, if an average was kept."""
        if self._average is not None:
            self._method.generator.load_state_dict(self._average.module.state_dict())


class _Side:
    """Adam with its schedule for one of the two sides."""

    def __init__(self, module: nn.Module, config: AdversarialConfig, steps: int, fabric: Fabric) -> None:
        self._parameters = list(module.parameters())
        self._fabric = fabric
        self.optimizer = Adam(
            self._parameters, lr=config.learning_rate, betas=config.betas, fused=is_fused(fabric.device)
        )
        keep_layout(self.optimizer)
        self.schedule = schedule(self.optimizer, config.schedule, steps)
        self._stepper = cast(Optimizer, fabric.setup_optimizers(self.optimizer))

    def update(self, terms: Mapping[str, Tensor]) -> None:
        """Minimise the sum of the terms."""
        self.optimizer.zero_grad()
        self._fabric.backward(_total(terms.values()))
        if self._fabric.world_size > 1:
            for parameter in self._parameters:
                if parameter.grad is not None:
                    mean = cast(Tensor, self._fabric.all_reduce(parameter.grad, reduce_op="mean"))
                    parameter.grad = mean
        self._stepper.step()


class _Average:
    """Exponential moving average of a network.

    (torch's ``AveragedModel`` copies a counter to the device in every step, which waits for it.)
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(network).requires_grad_(False)
        self._blend = get_ema_multi_avg_fn(decay)

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after a step; the first ones as they are."""
        if step == 0:
            self.module.load_state_dict(network.state_dict())
            return
        pairs = list(zip(_tensors(self.module), _tensors(network), strict=True))
        blended = [(own, new) for own, new in pairs if own.is_floating_point()]
        self._blend([own for own, _ in blended], [new for _, new in blended], step)
        for own, new in pairs:
            if not own.is_floating_point():
                own.copy_(new)


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]


def _total(terms: Iterable[Tensor]) -> Tensor:
    return torch.stack([term.float() for term in terms]).sum()


def _detached(images: Translations) -> Translations:
    return type(images)(*(getattr(images, field.name).detach() for field in fields(images)))
