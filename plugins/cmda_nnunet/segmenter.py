"""The segmenter ``nnunet``: nnU-Net from the cohort to the cleaned segmentation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch

from cmda_core.errors import DataError, NotTrainedError
from cmda_core.files import write_json
from cmda_core.protocols import Segmentation, SegmentationData
from cmda_core.run import Run
from cmda_core.schema import Task, parse_settings
from cmda_core.volumes import Volume
from cmda_nnunet.config import NnUnetConfig
from cmda_nnunet.model import Model, read_json
from cmda_nnunet.postprocessing import CleaningRules, clean_labels, clean_probabilities
from cmda_nnunet.surroundings import nnunet_surroundings, quiet_nnunet

if TYPE_CHECKING:
    from cmda_nnunet.predictor import Predictor

_FILE = "segmenter.json"


class NnUnetSegmenter:
    """nnU-Net v2 with the clean-up of the paper's authors.

    Several folds are averaged over their logits. On CUDA nnU-Net mixes precisions by itself;
    ``runtime.precision`` has no say.

    Args:
        config: Settings.
        task: Structures to label.
    """

    def __init__(self, config: NnUnetConfig, task: Task) -> None:
        self._config = config
        self._task = task
        self._model: Model | None = None
        self._predictor: Predictor | None = None
        self._device = torch.device("cpu")
        self._rules = CleaningRules(
            config.keep_one_tumour,
            config.keep_two_cochleae,
            config.height_tolerance_mm,
            config.cochlea_reach_mm,
        )

    def fit(self, data: SegmentationData, run: Run) -> None:
        if not len(data.cases):
            raise DataError(f"cohort {data.cases.name!r} has no cases to train a segmenter on.")
        folder = run.folder / "nnunet"
        with nnunet_surroundings(folder, torch.get_num_threads()):
            from cmda_nnunet.fitting import fit_model

            self._model = fit_model(self._config, self._task, data.cases, run, folder, data.ignore)
        self.to(str(run.fabric.device))

    def segment(self, volume: Volume) -> Segmentation:
        with quiet_nnunet(torch.get_num_threads()):
            labels, probabilities = self._ready().predict(volume)
        cleaned = clean_labels(labels, volume.spacing, self._task, self._rules)
        return Segmentation(volume.with_labels(cleaned), clean_probabilities(probabilities, labels, cleaned))

    def to(self, device: str) -> Self:
        """Compute on another device from now on."""
        self._device = torch.device(device)
        self._predictor = None
        return self

    def save(self, folder: Path) -> None:
        model = self._trained()
        model.save(folder)
        write_json(
            folder / _FILE,
            {
                "config": self._config.model_dump(mode="json"),
                "task": self._task.model_dump(mode="json"),
                "folds": list(model.folds),
            },
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Restore a segmenter that ``save`` wrote.

        Raises:
            DataError: If a file is missing or damaged.
        """
        path = folder / _FILE
        content = read_json(path)
        config = parse_settings(NnUnetConfig, content["config"], f"{path}, config")
        segmenter = cls(config, parse_settings(Task, content["task"], f"{path}, task"))
        segmenter._model = Model.load(folder, content["folds"])
        return segmenter

    def _trained(self) -> Model:
        if self._model is None:
            raise NotTrainedError("segmenter 'nnunet': has no weights yet. Train it, or load a trained one.")
        return self._model

    def _ready(self) -> Predictor:
        model = self._trained()
        if self._predictor is None:
            from cmda_nnunet.predictor import Predictor

            self._predictor = Predictor(self._config, model, self._device)
        return self._predictor
