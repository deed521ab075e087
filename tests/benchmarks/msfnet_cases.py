"""The sizes at which MSF-Net is measured, with networks and batches for them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning.fabric import Fabric
from torch import Tensor

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


class Ours:
    """Our step, as `train_adversarial` does it.

    Args:
        size: What to train.
        changes: Other settings.
        precision: As `Runtime.precision`.
    """

    def __init__(
        self, size: Size, changes: Mapping[str, Any] | None = None, precision: str = "32-true"
    ) -> None:
        torch.manual_seed(0)
        self.config = MsfNetConfig(**{**size.settings, **(changes or {})})
        self.labels = ProxyLabels(self.config, Task(), range(self.config.gif_classes or 0))
        network = MsfNet(self.config.channels, self.config.residual_blocks, self.labels.classes)
        self.method = MsfNetMethod(self.config, network, self.labels).train()
        self._new = copy.deepcopy(self.method)
        fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
        self._step = AlternatingUpdates(self.method, self.config, 1000, fabric)
        self._execution = ExitStack()
        self._execution.enter_context(execution(self.config, self.method))

    def __call__(self, source: SliceBatch, target: SliceBatch) -> Mapping[str, Tensor]:
        return self._step(source, target, 1)

    def reference(self) -> ReferenceStep:
        """The step of the authors, with networks of the same weights."""
        copied = copy.deepcopy(self._new)
        vgg = next((part.layers for name, part in copied.named_children() if name == "_perceptual"), None)
        return ReferenceStep(self.config, copied.generator, copied.discriminator, self.labels, vgg)


def batches(size: Size) -> tuple[SliceBatch, SliceBatch]:
    """A sample of each modality: noise, with labels."""
    draw = torch.Generator().manual_seed(0)
    images = [torch.rand(1, 3, *size.shape, generator=draw) * 2 - 1 for _ in range(2)]
    classes = size.settings["gif_classes"]
    labels, regions = (torch.randint(count, (1, 3, *size.shape), generator=draw) for count in (3, classes))
    return SliceBatch(images[0], labels, regions), SliceBatch(images[1])
