"""The sizes at which MSF-Net is measured, with networks and batches for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning.fabric import Fabric
from torch import Tensor
from torch.optim import Optimizer

from cmda_core.schema import Task
from cmda_core.training.execution import execution
from cmda_core.training.slices import SliceBatch
from cmda_core.training.updates import AlternatingUpdates
from cmda_msfnet.config import MsfNetConfig
from cmda_msfnet.method import MsfNetMethod
from cmda_msfnet.networks import MsfNet
from cmda_msfnet.proxies import ProxyLabels

from .reference_step import ReferenceStep

DEMO = Path(__file__).parents[2] / "cmda_core" / "presets" / "demo.yaml"
STILL = 1e-30
"""A learning rate that moves no weight, so that all turns and both steps see the same weights."""

COMMON = {"perceptual": "random-vgg", "gif_classes": 209, "discriminator_crop": None, "learning_rate": STILL}
AUTHORS = {"proxy_on_cycled": True, "reconstruction": "smooth-l1", "perceptual_pooling": "average"}


@dataclass(frozen=True, slots=True)
class Size:
    """Settings, without the discriminators' random windows; and rows and columns of a slice."""

    settings: Mapping[str, Any]
    shape: tuple[int, int]


def demo_settings() -> dict[str, Any]:
    """What the demo trains with, without its moving average, which the authors do not keep."""
    settings = dict(yaml.safe_load(DEMO.read_text(encoding="utf-8"))["translator"])
    del settings["plugin"]
    return settings | {"gif_classes": 20, "learning_rate": STILL, "ema": 0.0}


SIZES = {
    "paper": Size(COMMON, (256, 256)),
    "paper-authors": Size(COMMON | AUTHORS, (256, 256)),
    "demo": Size(demo_settings(), (64, 96)),
}

QUICK = Size(
    COMMON | AUTHORS | {"channels": 8, "discriminator_channels": 4, "discriminator_layers": 3}, (64, 64)
)


def method_of(
    size: Size, changes: Mapping[str, Any] | None = None
) -> tuple[MsfNetConfig, MsfNetMethod, ProxyLabels]:
    """Settings, networks and labels; the weights are the same for the same size."""
    torch.manual_seed(0)
    config = MsfNetConfig(**{**size.settings, **(changes or {})})
    labels = ProxyLabels(config, Task(), range(config.gif_classes or 0))
    network = MsfNet(config.channels, config.residual_blocks, labels.classes)
    return config, MsfNetMethod(config, network, labels).train(), labels


class Ours:
    """Our step, as `train_adversarial` does it; a context manager, in which the settings hold.

    Args:
        size: What to train.
        changes: Other settings.
        precision: As `Runtime.precision`.
        device: ``cpu`` or ``cuda``.
    """

    def __init__(
        self,
        size: Size,
        changes: Mapping[str, Any] | None = None,
        precision: str = "32-true",
        device: str = "cpu",
    ) -> None:
        self.config, self.method, _ = method_of(size, changes)
        fabric = Fabric(accelerator=device, devices=1, precision=precision)
        self.method.to(fabric.device)
        self._step = AlternatingUpdates(self.method, self.config, 1000, fabric)
        self._execution = execution(self.config, self.method)

    @property
    def optimizers(self) -> list[Optimizer]:
        """Of the generator and of the discriminator."""
        return list(self._step.trainable.optimizers.values())

    def __enter__(self) -> Ours:
        self._execution.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._execution.__exit__(*error)

    def __call__(self, source: SliceBatch, target: SliceBatch) -> Mapping[str, Tensor]:
        return self._step(source, target, 1)


def reference(size: Size, device: str = "cpu") -> ReferenceStep:
    """The step of the authors, with networks of the same weights."""
    config, method, labels = method_of(size)
    method.to(device)
    vgg = next((part.layers for name, part in method.named_children() if name == "_perceptual"), None)
    return ReferenceStep(config, method.generator, method.discriminator, labels, vgg)


def batches(size: Size) -> tuple[SliceBatch, SliceBatch]:
    """A sample of each modality: noise, with labels."""
    draw = torch.Generator().manual_seed(0)
    images = [torch.rand(1, 3, *size.shape, generator=draw) * 2 - 1 for _ in range(2)]
    classes = size.settings["gif_classes"]
    labels, regions = (torch.randint(count, (1, 3, *size.shape), generator=draw) for count in (3, classes))
    return SliceBatch(images[0], labels, regions), SliceBatch(images[1])
