"""MSF-Net as a translator with a shared encoder."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from cmda_core.errors import NotTrainedError
from cmda_core.protocols import TranslationData
from cmda_core.run import Run
from cmda_core.schema import Task
from cmda_core.training.adversarial import train_adversarial
from cmda_core.training.config import PerceptualChoice
from cmda_core.training.inference import translate_volume
from cmda_core.training.loop import seed_everything
from cmda_core.training.networks import device_of
from cmda_core.training.saving import WEIGHTS, read_description, save_network
from cmda_core.training.state import load_weights
from cmda_core.training.translator import require_direction
from cmda_core.volumes import Volume
from cmda_msfnet.config import MsfNetConfig
from cmda_msfnet.method import MsfNetMethod
from cmda_msfnet.networks import STRIDE, MsfNet
from cmda_msfnet.proxies import ProxyLabels, find_regions

_PERCEPTUAL: dict[PerceptualChoice, str] = {
    "vgg19": "by VGG19 with weights trained on ImageNet",
    "random-vgg": "by VGG19 with random weights; no pre-trained weights are used",
    "off": "off; no pre-trained weights are used",
}
"""Said in every run, because challenges forbid pre-trained weights."""


class MsfNetTranslator:
    """MSF-Net (Fig. 2).

    Args:
        config: Settings.
        task: Modalities and structures.
    """

    def __init__(self, config: MsfNetConfig, task: Task) -> None:
        self._config = config
        self._task = task
        self._network: MsfNet | None = None
        self._regions: tuple[int, ...] = ()

    def fit(self, data: TranslationData, run: Run) -> None:
        """Train both directions.

        Raises:
            ConfigError: If proxy tasks lack labels, or VGG19's weights are missing.
            DataError: If a cohort is empty.
        """
        regions = find_regions(self._config, data.source)
        labels = ProxyLabels(self._config, self._task, regions)
        run.progress.note(f"msf-net: perceptual loss {_PERCEPTUAL[self._config.perceptual]}")
        seed_everything(run.seed)
        network = _new_network(self._config, labels)
        train_adversarial(MsfNetMethod(self._config, network, labels), data, self._config, run)
        self._network, self._regions = network, regions

    def translate(self, volume: Volume, to: str) -> Volume:
        require_direction(volume, to, self._task)
        network = self._trained("translate")
        return translate_volume(
            partial(network.translate, to_target=to == self._task.target),
            volume,
            to,
            stride=STRIDE,
            batch_size=self._config.inference_batch,
            device=device_of(network),
        )

    @property
    def feature_channels(self) -> int:
        return 4 * self._config.channels

    @property
    def feature_stride(self) -> int:
        return STRIDE

    @torch.no_grad()
    def encode(self, slices: Tensor) -> Tensor:
        network = self._trained("encode")
        features: Tensor = network.encoder(slices.to(device_of(network)))
        return features

    def copy_encoder(self) -> nn.Module:
        return copy.deepcopy(self._trained("encode").encoder).requires_grad_(True)

    def to(self, device: str) -> None:
        """Move the weights to a torch device."""
        self._trained("work").to(device)

    def save(self, folder: Path) -> None:
        save_network(folder, self._trained("save"), self._config, self._task, regions=self._regions)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Restore a translator from a folder that ``save`` wrote.

        Raises:
            DataError: If a file is missing, damaged or of another network.
        """
        config, task, more = read_description(folder, MsfNetConfig)
        translator = cls(config, task)
        translator._regions = tuple(more["regions"])
        network = _new_network(config, ProxyLabels(config, task, translator._regions))
        load_weights(folder / WEIGHTS, network)
        translator._network = network.eval()
        return translator

    def _trained(self, action: str) -> MsfNet:
        if self._network is None:
            raise NotTrainedError(
                f"translator 'msf-net': has no weights to {action} with. Train it, or load a trained one."
            )
        return self._network


def _new_network(config: MsfNetConfig, labels: ProxyLabels) -> MsfNet:
    return MsfNet(config.channels, config.residual_blocks, labels.classes)
