"""MSF-Koos-Net as a grader."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from cmda_core.errors import ConfigError, DataError, NotTrainedError
from cmda_core.files import write_json
from cmda_core.koos import GRADES, grades_present, koos_prediction
from cmda_core.protocols import GradingData, GradingInput, KoosPrediction, SharedEncoder
from cmda_core.run import Run
from cmda_core.schema import Task
from cmda_core.training.loop import seed_everything
from cmda_core.training.state import load_weights, save_weights
from cmda_koosnet.config import KoosNetConfig
from cmda_koosnet.crops import Stack, Window, cut_mask, cut_triples, find_window, subject_of
from cmda_koosnet.features import FrozenFeatures, View, ViewReader, encode_stack
from cmda_koosnet.finetuning import tune_all, tune_classifier, unseen_grades
from cmda_koosnet.network import ContrastiveNet, HighEncoder, ProjectionHead, TunedNet
from cmda_koosnet.pretraining import pretrain

_DESCRIPTION = "koosnet.json"
_WEIGHTS = "koosnet.safetensors"
_ENCODER_WEIGHTS = "encoder.safetensors"


@dataclass(frozen=True, slots=True)
class _Network:
    """What grades.

    Attributes:
        encoder: The translator's, for the stride and, unless ``tuned``, for the features.
        high: E_H.
        classifier: The last layer.
        grades: Those that training cases have.
        tuned: The fine-tuned copy of the encoder; None where it was frozen.
    """

    encoder: SharedEncoder
    high: HighEncoder
    classifier: nn.Linear
    grades: tuple[int, ...]
    tuned: nn.Module | None

    @property
    def own(self) -> nn.ModuleDict:
        """The parts that belong to the grader in every case."""
        return nn.ModuleDict({"high": self.high, "classifier": self.classifier})

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.classifier.weight.device


class KoosNetGrader:
    """MSF-Koos-Net (Fig. 3).

    Args:
        config: Settings.
        task: Modalities and the tumour's label.
    """

    def __init__(self, config: KoosNetConfig, task: Task) -> None:
        self._config = config
        self._task = task
        self._network: _Network | None = None

    def fit(self, data: GradingData, run: Run) -> None:
        """Pre-train by contrast on all subjects, then tune on the annotated ones.

        Raises:
            ConfigError: If the translator has no shared encoder.
            DataError: If the annotated cases have fewer than two different grades.
        """
        encoder = _require_encoder(data.encoder)
        grades = grades_present(data.annotated)
        # Whatever stands in the files of the unannotated: their grades are not to be learnt from.
        cases = [*data.annotated, *(replace(case, grade=None) for case in data.unannotated)]
        seed_everything(run.seed)
        network = _new_network(self._config, encoder, grades)
        reader = ViewReader(cases, self._task, self._config, encoder.feature_stride)
        source = FrozenFeatures(reader, encoder, run.folder / "features", self._config.encoder_batch)
        if self._config.pretrain:
            source.keep(self._views(len(cases)), self._config.feature_cache_gb, run.progress)
            contrastive = _contrastive_net(network.high, self._config)
            pretrain(contrastive, source, cases, self._config, run.sub("pretraining"))
        phase = run.sub("finetuning")
        if network.tuned is None:
            tune_classifier(network.classifier, network.high, source, cases, self._config, phase)
        else:
            net = TunedNet(network.tuned, network.high, network.classifier, self._config.encoder_batch)
            tune_all(net, reader, cases, self._config, phase)
        source.close()
        self._network = network

    @torch.no_grad()
    def grade(self, subject: GradingInput) -> KoosPrediction:
        network = self._trained("grade")
        modalities = self._graded_modalities(subject)
        images = subject_of(subject, modalities)
        tumour = images.mask == self._task.tumour_label
        window = find_window(
            tumour,
            slices=self._config.slices,
            edge=self._config.window,
            align=self._config.sides == "aligned",
        )
        stride = network.encoder.feature_stride
        mask = cut_mask(tumour, window, mirror=False, stride=stride)
        scores = [
            self._scores(network, _triples(images.images[modality], window, stride), mask)
            for modality in modalities
        ]
        known = torch.stack(scores).cpu().masked_fill(unseen_grades(network.grades), -torch.inf)
        shares = known.double().softmax(dim=1).mean(dim=0)
        return koos_prediction(subject.case, shares.numpy(), self._config.decision)

    def to(self, device: str) -> None:
        """Move the grader's own weights to a torch device; the translator's encoder stays where it is."""
        network = self._trained("work")
        network.own.to(device)
        if network.tuned is not None:
            network.tuned.to(device)

    def save(self, folder: Path) -> None:
        network = self._trained("save")
        content = {
            "config": self._config.model_dump(mode="json"),
            "task": self._task.model_dump(mode="json"),
            "grades": network.grades,
            "feature_channels": network.encoder.feature_channels,
        }
        save_weights(folder / _WEIGHTS, network.own)
        if network.tuned is not None:
            save_weights(folder / _ENCODER_WEIGHTS, network.tuned)
        write_json(folder / _DESCRIPTION, content)

    @classmethod
    def load(cls, folder: Path, encoder: SharedEncoder | None) -> Self:
        """Restore a grader from a folder that ``save`` wrote.

        Args:
            folder: What ``save`` wrote.
            encoder: Of the translator that the grader was trained with.

        Raises:
            ConfigError: If there is no encoder.
            DataError: If a file is missing or damaged, or was made with another encoder.
        """
        encoder = _require_encoder(encoder)
        config, task, grades, channels = _read_description(folder / _DESCRIPTION)
        if channels != encoder.feature_channels:
            raise DataError(
                f"{folder}: was trained on features of {channels} channels, but the translator's encoder "
                f"gives {encoder.feature_channels}. Use the translator that it was trained with."
            )
        grader = cls(config, task)
        network = _new_network(config, encoder, grades)
        load_weights(folder / _WEIGHTS, network.own)
        network.own.eval()
        if network.tuned is not None:
            load_weights(folder / _ENCODER_WEIGHTS, network.tuned)
            network.tuned.eval()
        grader._network = network
        grader.to("cpu")  # The copy of the encoder may come from a translator on another device.
        return grader

    def _trained(self, action: str) -> _Network:
        if self._network is None:
            raise NotTrainedError(
                f"grader 'msf-koos-net': has no weights to {action} with. Train it, or load a trained one."
            )
        return self._network

    def _views(self, count: int) -> list[View]:
        flips = (False, True) if self._config.sides == "mirrored-at-random" else (False,)
        return [
            View(subject, modality, flip)
            for subject in range(count)
            for modality in self._task.modalities
            for flip in flips
        ]

    def _graded_modalities(self, subject: GradingInput) -> tuple[str, ...]:
        if self._config.inference == "both":
            return self._task.modalities
        return (self._task.target if self._config.inference == "target" else subject.real,)

    def _scores(self, network: _Network, triples: Tensor, mask: Tensor) -> Tensor:
        """Scores of the four grades, shape ``(4,)``."""
        encode = network.encoder.encode if network.tuned is None else network.tuned
        inputs = triples if network.tuned is None else triples.to(network.device)
        features = encode_stack(encode, inputs, self._config.encoder_batch).to(network.device)
        pooled = network.high(features[None], mask[None].to(network.device))
        scores: Tensor = network.classifier(pooled)[0]
        return scores


def _triples(image: tuple[Stack, float], window: Window, stride: int) -> Tensor:
    stack, slope = image
    return cut_triples(stack, slope, window, mirror=False, stride=stride)


def _require_encoder(encoder: SharedEncoder | None) -> SharedEncoder:
    if encoder is None:
        raise ConfigError(
            "grader 'msf-koos-net': needs a translator with a shared encoder, such as msf-net, and got none. "
            "Choose such a translator, or a grader that needs none, such as volumetrics."
        )
    return encoder


def _new_network(config: KoosNetConfig, encoder: SharedEncoder, grades: tuple[int, ...]) -> _Network:
    return _Network(
        encoder=encoder,
        high=HighEncoder(encoder.feature_channels, config.channels, config.stages, config.mask_fusion),
        classifier=nn.Linear(config.channels, len(GRADES)),
        grades=grades,
        tuned=None if config.freeze else encoder.copy_encoder(),
    )


def _contrastive_net(high: HighEncoder, config: KoosNetConfig) -> ContrastiveNet:
    heads = [ProjectionHead(config.channels, *config.projection_channels) for _ in range(2)]
    return ContrastiveNet(high, *heads)


def _read_description(path: Path) -> tuple[KoosNetConfig, Task, tuple[int, ...], int]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return (
            KoosNetConfig.model_validate(content["config"]),
            Task.model_validate(content["task"]),
            tuple(content["grades"]),
            int(content["feature_channels"]),
        )
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Train the grader again.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: is not a saved MSF-Koos-Net ({error}).") from error
