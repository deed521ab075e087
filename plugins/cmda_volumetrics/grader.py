"""The volumetric grader: features of the mask, a regression, a grade."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cmda_core.errors import DataError, NotTrainedError
from cmda_core.files import write_json
from cmda_core.koos import grades_present, koos_prediction
from cmda_core.protocols import GradingCase, GradingData, GradingInput, KoosPrediction
from cmda_core.run import Run
from cmda_core.schema import Task
from cmda_core.volumes import read_labels
from cmda_volumetrics.config import VolumetricsConfig
from cmda_volumetrics.features import FEATURE_NAMES, measure
from cmda_volumetrics.regression import Array, Regression, fit_regression
from cmda_volumetrics.selection import select_strength

_FILE = "volumetrics.json"


class VolumetricsGrader:
    """Predicts the Koos grade from the mask alone.

    Args:
        config: Settings.
        task: Tells which labels are the tumour and the cochleae.
    """

    def __init__(self, config: VolumetricsConfig, task: Task) -> None:
        self._config = config
        self._task = task
        self._regression: Regression | None = None

    def fit(self, data: GradingData, run: Run) -> None:
        """Learn from the masks and grades of the annotated subjects; the others are not needed."""
        cases = [case for case in data.annotated if case.grade is not None]
        grades_present(cases)
        grades = np.array([case.grade for case in cases], dtype=np.int64)
        features = self._measure_all(cases, run)
        strength = self._strength(features, grades, [case.subject for case in cases], run.seed)
        self._regression = fit_regression(self._config.model, features, grades, strength)
        run.rewind_log(0)
        run.log(1, {"inverse_regularisation": strength})

    def grade(self, subject: GradingInput) -> KoosPrediction:
        if self._regression is None:
            raise NotTrainedError(
                "grader 'volumetrics': has no coefficients yet. Train it, or load a trained one."
            )
        features = measure(subject.mask, self._task, self._config.canal_mm).vector()
        probabilities = self._regression.probabilities(features[None])[0]
        return koos_prediction(subject.case, probabilities, self._config.decision)

    def save(self, folder: Path) -> None:
        if self._regression is None:
            raise NotTrainedError("grader 'volumetrics': has no coefficients to save. Train it first.")
        arrays = {
            key: value.tolist() if isinstance(value, np.ndarray) else value
            for key, value in asdict(self._regression).items()
        }
        content = {
            "config": self._config.model_dump(mode="json"),
            "task": self._task.model_dump(mode="json"),
            "features": FEATURE_NAMES,
            "regression": arrays,
        }
        write_json(folder / _FILE, content)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Restore a grader from a folder that ``save`` wrote.

        Raises:
            DataError: If the file is missing, damaged, or made for other features.
        """
        path = folder / _FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            grader = cls(
                VolumetricsConfig.model_validate(content["config"]), Task.model_validate(content["task"])
            )
            grader._regression = _regression(content["regression"])
            features = tuple(content["features"])
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}). Train the grader again.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: is not a saved volumetric grader ({error}).") from error
        if features != FEATURE_NAMES:
            raise DataError(f"{path}: was trained on other features than this version has. Train it again.")
        return grader

    def _measure_all(self, cases: list[GradingCase], run: Run) -> Array:
        rows = run.each(
            _measure_file,
            [(case.mask, self._task, self._config.canal_mm) for case in cases],
            names=[case.case for case in cases],
            what="Measure tumours",
        )
        return np.stack(list(rows))

    def _strength(self, features: Array, grades: NDArray[np.int64], subjects: list[str], seed: int) -> float:
        if self._config.inverse_regularisation != "auto":
            return self._config.inverse_regularisation
        return select_strength(
            self._config.model,
            features,
            grades,
            subjects,
            folds=self._config.folds,
            decision=self._config.decision,
            seed=seed,
        )


def _measure_file(path: Path, task: Task, canal_mm: float) -> Array:
    return measure(read_labels(path), task, canal_mm).vector()


def _regression(content: dict[str, object]) -> Regression:
    arrays = {
        key: np.array(content[key], dtype=np.float64)
        for key in ("means", "scales", "coefficients", "intercepts")
    }
    kind, grades = content["kind"], content["grades"]
    if kind not in ("ordinal", "logistic") or not isinstance(grades, list):
        raise ValueError(f"regression of kind {kind!r}")
    return Regression(kind="ordinal" if kind == "ordinal" else "logistic", grades=tuple(grades), **arrays)
