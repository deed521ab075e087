"""An `AdversarialMethod` as a translator: what a plugin returns if its method needs no more."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Self

from cmda_core.errors import ModalityError, NotTrainedError
from cmda_core.protocols import TranslationData
from cmda_core.run import Run
from cmda_core.schema import Task
from cmda_core.training.adversarial import AdversarialMethod, train_adversarial
from cmda_core.training.config import AdversarialConfig
from cmda_core.training.inference import translate_volume
from cmda_core.training.loop import seed_everything
from cmda_core.training.networks import device_of
from cmda_core.training.saving import WEIGHTS, read_description, save_network
from cmda_core.training.state import load_weights
from cmda_core.volumes import Volume


class AdversarialTranslator:
    """A translator whose networks depend on its settings alone.

    Args:
        name: Of the plugin, for messages.
        config: Settings.
        task: Modalities and structures.
        method: Makes networks and losses from the settings.
    """

    def __init__(
        self,
        name: str,
        config: AdversarialConfig,
        task: Task,
        method: Callable[[Any], AdversarialMethod],
    ) -> None:
        self._name = name
        self._config = config
        self._task = task
        self._new_method = method
        self._method: AdversarialMethod | None = None

    def fit(self, data: TranslationData, run: Run) -> None:
        """Train both directions; see `Translator.fit`."""
        seed_everything(run.seed)
        method = self._new_method(self._config)
        train_adversarial(method, data, self._config, run)
        self._method = method

    def translate(self, volume: Volume, to: str) -> Volume:
        """Translate one prepared image; see `Translator.translate`."""
        require_direction(volume, to, self._task)
        method = self._trained()
        return translate_volume(
            partial(method.translate, to_target=to == self._task.target),
            volume,
            to,
            stride=method.stride,
            batch_size=self._config.inference_batch,
            device=device_of(method),
        )

    def to(self, device: str) -> None:
        """Move the weights to a torch device."""
        self._trained().to(device)

    def save(self, folder: Path) -> None:
        """Write weights and settings; see `Translator.save`."""
        save_network(folder, self._trained().kept, self._config, self._task)

    @classmethod
    def load(
        cls,
        folder: Path,
        name: str,
        config: type[AdversarialConfig],
        method: Callable[[Any], AdversarialMethod],
    ) -> Self:
        """Restore a translator from a folder that ``save`` wrote.

        Args:
            folder: What ``save`` wrote.
            name: Of the plugin, for messages.
            config: Model of the settings.
            method: Makes networks and losses from the settings.

        Raises:
            DataError: If a file is missing, damaged or of another network.
        """
        settings, task, _ = read_description(folder, config)
        translator = cls(name, settings, task, method)
        translator._method = method(settings).eval()
        load_weights(folder / WEIGHTS, translator._method.kept)
        return translator

    def _trained(self) -> AdversarialMethod:
        if self._method is None:
            raise NotTrainedError(
                f"translator {self._name!r}: has no weights. Train it, or load a trained one."
            )
        return self._method


def require_direction(volume: Volume, to: str, task: Task) -> None:
    """Refuse to translate an image to its own modality, or one that is not of the task.

    Raises:
        ModalityError: With the modality that was expected.
    """
    expected = task.other(volume.modality)
    if to != expected:
        raise ModalityError(
            f"case {volume.case}: {volume.modality} can be translated to {expected}, not to {to}."
        )
