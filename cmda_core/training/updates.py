"""One step of an adversarial training: the generator's update and the discriminator's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from cmda_core.training.averaging import MovingAverage
from cmda_core.training.config import AdversarialConfig
from cmda_core.training.execution import is_fused, keep_layout
from cmda_core.training.loop import Trainable
from cmda_core.training.replicas import average_gradients
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
        self._average = MovingAverage(method.kept, config.ema) if config.ema else None

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
            self._average.update(self._method.kept, step)
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
        """Give what translates its averaged weights, if an average was kept."""
        if self._average is not None:
            self._average.hand_over(self._method.kept)


class _Side:
    """Adam with its schedule for one of the two sides."""

    def __init__(self, module: nn.Module, config: AdversarialConfig, steps: int, fabric: Fabric) -> None:
        self._parameters = list(module.parameters())
        self._fabric = fabric
        self.optimizer = Adam(
            self._parameters,
            lr=config.learning_rate,
            betas=config.betas,
            weight_decay=config.weight_decay,
            fused=is_fused(fabric.device),
        )
        keep_layout(self.optimizer)
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


def _detached(images: Translations) -> Translations:
    def detached(part: Tensor | None) -> Any:
        return None if part is None else part.detach()

    return type(images)(*(detached(getattr(images, field.name)) for field in fields(images)))
