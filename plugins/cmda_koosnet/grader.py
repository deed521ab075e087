"""MSF-Koos-Net as a grader."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import torch

from cmda_core.errors import ConfigError, DataError, NotTrainedError
from cmda_core.files import write_json
from cmda_core.koos import grades_present, koos_prediction
from cmda_core.protocols import GradingData, GradingInput, KoosPrediction, SharedEncoder
from cmda_core.run import Run
from cmda_core.schema import Task
from cmda_core.training.loop import seed_everything
from cmda_koosnet.config import KoosNetConfig
from cmda_koosnet.crops import cut_mask, cut_triples, find_window, subject_of
from cmda_koosnet.features import FrozenFeatures, View, ViewReader
from cmda_koosnet.finetuning import tune_all, tune_classifier, unseen_grades
from cmda_koosnet.model import KoosModel
from cmda_koosnet.momentum import pretrain_momentum
from cmda_koosnet.network import ContrastiveNet, HighEncoder, MomentumNet, ProjectionHead, TunedNet
from cmda_koosnet.pretraining import pretrain
from cmda_koosnet.sampling import Subjects, without_fold

_DESCRIPTION = "koosnet.json"


@dataclass(frozen=True, slots=True)
class _Trained:
    """What grades: one model per fold, and the grades that training cases had."""

    models: tuple[KoosModel, ...]
    grades: tuple[int, ...]


class KoosNetGrader:
    """MSF-Koos-Net (Fig. 3).

    Args:
        config: Settings.
        task: Modalities and the tumour's label.
    """

    def __init__(self, config: KoosNetConfig, task: Task) -> None:
        self._config = config
        self._task = task
        self._trained: _Trained | None = None

    def fit(self, data: GradingData, run: Run) -> None:
        """Pre-train by contrast on all subjects, then tune on the annotated ones; once per fold.

        Raises:
            ConfigError: If the translator has no shared encoder.
            DataError: If the annotated cases have fewer than two different grades.
        """
        encoder = _require_encoder(data.encoder)
        grades = grades_present(data.annotated)
        # Whatever stands in the files of the unannotated: their grades are not to be learnt from.
        cases = [*data.annotated, *(replace(case, grade=None) for case in data.unannotated)]
        reader = ViewReader(cases, self._task, self._config, encoder.feature_stride)
        source = FrozenFeatures(reader, encoder, run.folder / "features", self._config.encoder_batch)
        if self._config.pretrain:
            source.keep(self._views(len(cases)), self._config.feature_cache_gb, run.progress)
        models = []
        for fold in range(self._config.folds):
            kept = without_fold(cases, fold, self._config.folds, run.seed)
            own_run = run if self._config.folds == 1 else run.sub(f"fold-{fold}")
            models.append(self._fit_model(encoder, source, kept, own_run))
        run.fabric.barrier()  # No process may still need the features that are removed.
        source.close()
        self._trained = _Trained(tuple(models), grades)

    def grade(self, subject: GradingInput) -> KoosPrediction:
        trained = self._require_trained("grade")
        modalities = self._graded_modalities(subject)
        images = subject_of(subject, modalities)
        tumour = images.mask == self._task.tumour_label
        align = self._config.sides == "aligned"
        window = find_window(tumour, slices=self._config.slices, edge=self._config.window, align=align)
        stride = trained.models[0].encoder.feature_stride
        mask = cut_mask(tumour, window, mirror=False, stride=stride)
        views = [
            cut_triples(*images.images[modality], window, mirror=False, stride=stride)
            for modality in modalities
        ]
        scores = torch.stack([model.scores(view, mask) for model in trained.models for view in views])
        known = scores.double().masked_fill(unseen_grades(trained.grades), -torch.inf)
        shares = known.softmax(dim=1).mean(dim=0)
        return koos_prediction(subject.case, shares.numpy(), self._config.decision)

    def to(self, device: str) -> None:
        """Move the grader's own weights to a torch device; the translator's encoder stays where it is."""
        for model in self._require_trained("work").models:
            model.to(device)

    def save(self, folder: Path) -> None:
        trained = self._require_trained("save")
        content = {
            "config": self._config.model_dump(mode="json"),
            "task": self._task.model_dump(mode="json"),
            "grades": trained.grades,
            "feature_channels": trained.models[0].encoder.feature_channels,
        }
        for fold, model in enumerate(trained.models):
            model.save(folder / f"fold-{fold}")
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
        models = tuple(KoosModel.new(config, encoder) for _ in range(config.folds))
        for fold, model in enumerate(models):
            model.restore(folder / f"fold-{fold}")
        grader = cls(config, task)
        grader._trained = _Trained(models, grades)
        return grader

    def _fit_model(
        self, encoder: SharedEncoder, source: FrozenFeatures, cases: Subjects, run: Run
    ) -> KoosModel:
        seed_everything(run.seed)
        model = KoosModel.new(self._config, encoder)
        if self._config.pretrain:
            self._pretrain(model.high, source, cases, run.sub("pretraining"))
        phase = run.sub("finetuning")
        if model.tuned is None:
            tune_classifier(model.classifier, model.high, source, cases, self._config, phase)
        else:
            net = TunedNet(model.tuned, model.high, model.classifier, model.encoder_batch)
            tune_all(net, source.reader, cases, self._config, phase)
        return model

    def _pretrain(self, high: HighEncoder, source: FrozenFeatures, cases: Subjects, run: Run) -> None:
        def head() -> ProjectionHead:
            return ProjectionHead(self._config.channels, *self._config.projection_channels)

        if self._config.contrastive == "moco":
            pretrain_momentum(MomentumNet(high, head()), source, cases, self._config, run)
        else:
            pretrain(ContrastiveNet(high, head(), head()), source, cases, self._config, run)

    def _require_trained(self, action: str) -> _Trained:
        if self._trained is None:
            raise NotTrainedError(
                f"grader 'msf-koos-net': has no weights to {action} with. Train it, or load a trained one."
            )
        return self._trained

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


def _require_encoder(encoder: SharedEncoder | None) -> SharedEncoder:
    if encoder is None:
        raise ConfigError(
            "grader 'msf-koos-net': needs a translator with a shared encoder, such as msf-net, and got none. "
            "Choose such a translator, or a grader that needs none, such as volumetrics."
        )
    return encoder


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
