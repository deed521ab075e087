"""The segmenter ``unet``: slice by slice, from the cohort to labels and probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cmda_core.errors import NotTrainedError
from cmda_core.protocols import Segmentation, SegmentationData
from cmda_core.run import Run
from cmda_core.schema import Task
from cmda_core.training.loop import seed_everything
from cmda_core.training.networks import device_of
from cmda_core.training.saving import WEIGHTS, read_description, save_network
from cmda_core.training.slices import neighbours
from cmda_core.training.state import load_weights
from cmda_core.volumes import Volume
from cmda_unet.config import UnetConfig
from cmda_unet.network import padded, unet
from cmda_unet.sampling import normalised
from cmda_unet.training import train_network


class UnetSegmenter:
    """A 2.5D U-Net that labels axial slices, each seen with its two neighbours.

    Args:
        config: Settings.
        task: Structures to label.
    """

    def __init__(self, config: UnetConfig, task: Task) -> None:
        self._config = config
        self._task = task
        self._network: nn.Module | None = None

    def fit(self, data: SegmentationData, run: Run) -> None:
        seed_everything(run.seed)
        network = self._new_network()
        train_network(network, data, self._config, run)
        self._network = network

    def segment(self, volume: Volume) -> Segmentation:
        probabilities = self.probabilities(volume)
        labels = probabilities.argmax(axis=0).astype(np.uint8)
        return Segmentation(volume.with_labels(labels), probabilities)

    @torch.no_grad()
    def probabilities(self, volume: Volume) -> NDArray[np.float32]:
        """Probabilities of background and of each structure.

        Args:
            volume: A prepared image of either modality, of any size.

        Returns:
            Shape ``(1 + structures, I, J, K)``, summing to 1 over the first axis.

        Raises:
            NotTrainedError: Before ``fit`` or ``load``.
        """
        network = self._trained()
        stack = torch.from_numpy(np.ascontiguousarray(normalised(volume.voxels).transpose(2, 1, 0)))
        depth = len(stack)
        parts = []
        for start in range(0, depth, self._config.inference_batch):
            positions = range(start, min(start + self._config.inference_batch, depth))
            triples = torch.stack([stack[neighbours(position, depth)] for position in positions])
            parts.append(self._shares(network, triples))
        shares: NDArray[np.float32] = torch.cat(parts).permute(1, 3, 2, 0).contiguous().numpy()
        return shares

    def to(self, device: str) -> None:
        """Move the weights to a torch device."""
        self._trained().to(device)

    def save(self, folder: Path) -> None:
        save_network(folder, self._trained(), self._config, self._task)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Restore a segmenter that ``save`` wrote.

        Raises:
            DataError: If a file is missing, damaged or of another network.
        """
        config, task, _ = read_description(folder, UnetConfig)
        segmenter = cls(config, task)
        segmenter._network = segmenter._new_network().eval()
        load_weights(folder / WEIGHTS, segmenter._network)
        return segmenter

    def _shares(self, network: nn.Module, triples: Tensor) -> Tensor:
        """Slices ``(N, 3, H, W)`` to probabilities ``(N, classes, H, W)``, on the host."""
        height, width = triples.shape[-2:]
        logits = network(padded(triples.to(device_of(network)), self._config))
        shares: Tensor = logits[..., :height, :width].float().softmax(dim=1).cpu()
        return shares

    def _new_network(self) -> nn.Module:
        return unet(self._config, 1 + len(self._task.structures))

    def _trained(self) -> nn.Module:
        if self._network is None:
            raise NotTrainedError("segmenter 'unet': has no weights yet. Train it, or load a trained one.")
        return self._network
