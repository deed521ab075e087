"""What nnU-Net has learnt: its plans, its description of the dataset, and the weights of each fold."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmda_core.errors import DataError
from cmda_core.files import write_json
from cmda_nnunet.trust import check_plans
from cmda_nnunet.weights import Weights, read_weights, write_weights

_PLANS, _DESCRIPTION, _WEIGHTS = "plans.json", "dataset.json", "fold_{}.safetensors"


@dataclass(frozen=True, slots=True)
class Model:
    """A trained nnU-Net.

    Attributes:
        plans: nnU-Net's plans.
        description: The content of nnU-Net's ``dataset.json``.
        folds: Weights by the name of the fold.
    """

    plans: dict[str, Any]
    description: dict[str, Any]
    folds: dict[str, Weights]

    def save(self, folder: Path) -> None:
        """Write JSON and safetensors files; where the training cases lay is left out."""
        write_json(folder / _PLANS, self.plans)
        write_json(folder / _DESCRIPTION, {**self.description, "dataset": {}})
        for fold, weights in self.folds.items():
            write_weights(folder / _WEIGHTS.format(fold), weights)

    @classmethod
    def load(cls, folder: Path, folds: list[str]) -> Model:
        """Read what ``save`` wrote.

        Raises:
            DataError: If a file is missing or damaged, or the plans name code that is not nnU-Net's.
        """
        plans = read_json(folder / _PLANS)
        check_plans(plans, str(folder / _PLANS))
        return cls(
            plans,
            read_json(folder / _DESCRIPTION),
            {fold: read_weights(folder / _WEIGHTS.format(fold)) for fold in folds},
        )


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds a mapping.

    Raises:
        DataError: If the file is missing or damaged.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}). Is this the folder of a segmenter?") from error
    return content
