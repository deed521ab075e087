"""CycleGAN as a translator."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from cmda_core.errors import ModalityError, NotTrainedError
from cmda_core.protocols import TranslationData
from cmda_core.run import Run
from cmda_core.schema import Task
from cmda_core.training.adversarial import train_adversarial
from cmda_core.training.inference import translate_volume
from cmda_core.training.loop import seed_everything
from cmda_core.training.networks import device_of
from cmda_core.training.saving import WEIGHTS, read_description, save_network
from cmda_core.training.state import load_weights
from cmda_core.volumes import Volume
from cmda_cyclegan.config import CycleGanConfig
from cmda_cyclegan.method import CycleGan


class CycleGanTranslator:
    """CycleGAN on slice triples."""

    def __init__(self, config: CycleGanConfig, task: Task) -> None:
        self._config = config
        self._task = task
        self._method: CycleGan | None = None

    def fit(self, data: TranslationData, run: Run) -> None:
        seed_everything(run.seed)
        method = CycleGan(self._config)
        train_adversarial(method, data, self._config, run)
        self._method = method

    def translate(self, volume: Volume, to: str) -> Volume:
        if self._task.other(volume.modality) != to:
            raise ModalityError(f"case {volume.case}: is {volume.modality} already.")
        generator = self._trained().generator["target" if to == self._task.target else "source"]
        return translate_volume(
            generator,
            volume,
            to,
            stride=CycleGan.stride,
            batch_size=self._config.inference_batch,
            device=device_of(generator),
        )

    def to(self, device: str) -> None:
        """Move the weights to a torch device."""
        self._trained().to(device)

    def save(self, folder: Path) -> None:
        save_network(folder, self._trained().generator, self._config, self._task)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Restore a translator from a folder that ``save`` wrote."""
        config, task, _ = read_description(folder, CycleGanConfig)
        translator = cls(config, task)
        translator._method = CycleGan(config).eval()
        load_weights(folder / WEIGHTS, translator._method.generator)
        return translator

    def _trained(self) -> CycleGan:
        if self._method is None:
            raise NotTrainedError("translator 'cyclegan': has no weights. Train it, or load a trained one.")
        return self._method
