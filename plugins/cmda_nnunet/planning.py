"""nnU-Net's planner, with the sizes that the settings fix."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner

from cmda_core.files import write_json
from cmda_nnunet.config import NnUnetConfig
from cmda_nnunet.dataset import CONFIGURATION, DATASET, FINGERPRINT
from cmda_nnunet.surroundings import PREPROCESSED, environment

_PLANS = "plans.json"


class Planner(ExperimentPlanner):
    """Plans ``3d_fullres`` from the fingerprint and the settings.

    Args:
        config: Features, and where given patch and batch size.
    """

    def __init__(self, config: NnUnetConfig) -> None:
        super().__init__(DATASET, gpu_memory_target_in_gb=config.gpu_memory_gb)
        self._config = config
        self.UNet_base_num_features = config.base_features
        self.UNet_max_features_3d = config.max_features
        # Never plan 3d_lowres: only 3d_fullres is trained, and each further plan builds many networks.
        self.lowres_creation_threshold = 0

    def get_plans_for_configuration(
        self,
        spacing: Any,
        median_shape: Any,
        data_identifier: str,
        approximate_n_voxels_dataset: float,
        _cache: dict[str, float],
    ) -> dict[str, Any]:
        """The plan of one configuration; a patch that is given stands in for the size of the images."""
        patch = self._config.patch_size if len(spacing) == 3 else None
        plan: dict[str, Any] = super().get_plans_for_configuration(
            spacing,
            median_shape if patch is None else patch,
            data_identifier,
            approximate_n_voxels_dataset,
            _cache,
        )
        plan["median_image_size_in_voxels"] = median_shape
        if self._config.batch_size is not None:
            plan["batch_size"] = self._config.batch_size
        return plan


def make_plans(config: NnUnetConfig, folder: Path) -> dict[str, Any]:
    """The plans for the dataset whose fingerprint lies in ``folder``; made once, then read again."""
    path = folder / _PLANS
    if not path.exists():
        plans = _planned(config, folder)
        fullres = plans["configurations"][CONFIGURATION]
        fullres["batch_dice"] = config.batch_dice
        write_json(path, {**plans, "configurations": {CONFIGURATION: fullres}})
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _planned(config: NnUnetConfig, folder: Path) -> dict[str, Any]:
    """What nnU-Net plans.

    It plans beside its folder: it writes files there that it reads again when it plans anew, and a killed
    process would leave them half-written.
    """
    scratch = folder / ".planning"
    shutil.rmtree(scratch, ignore_errors=True)
    (scratch / DATASET).mkdir(parents=True)
    shutil.copy(folder / PREPROCESSED / DATASET / FINGERPRINT, scratch / DATASET)
    # Planning sets as many torch threads as it finds here, and cannot set none.
    with environment({"nnUNet_n_proc_DA": "1", f"nnUNet_{PREPROCESSED}": str(scratch)}):
        plans: dict[str, Any] = Planner(config).plan_experiment()
    shutil.rmtree(scratch, ignore_errors=True)
    return plans


def data_folder(plans: Mapping[str, Any], folder: Path) -> Path:
    """Where nnU-Net's trainer looks for the preprocessed cases."""
    name: str = plans["configurations"][CONFIGURATION]["data_identifier"]
    return folder / PREPROCESSED / DATASET / name
