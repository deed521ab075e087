"""nnU-Net's sliding-window inference on one volume in memory, without worker pools."""

from __future__ import annotations

import copy

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from numpy.typing import NDArray

from cmda_core.training.onednn import prefer_onednn
from cmda_core.volumes import Volume
from cmda_nnunet.config import NnUnetConfig
from cmda_nnunet.dataset import CONFIGURATION, properties_of, to_array
from cmda_nnunet.model import Model
from cmda_nnunet.trainer import Trainer
from cmda_nnunet.weights import set_weights


class Predictor:
    """Networks of one or more folds, ready to label volumes.

    The folds' **logits** are averaged, as nnU-Net's own predictor does with several folds.

    Args:
        config: Settings.
        model: What was learnt.
        device: Where to compute.
    """

    def __init__(self, config: NnUnetConfig, model: Model, device: torch.device) -> None:
        manager = PlansManager(copy.deepcopy(model.plans))
        configuration = manager.get_configuration(CONFIGURATION)
        heads = manager.get_label_manager(model.description).num_segmentation_heads
        networks = [
            Trainer.build_network_architecture(manager, configuration, 1, heads, False) for _ in model.folds
        ]
        for fold, network in zip(model.folds, networks, strict=True):
            set_weights(network, model.folds[fold], f"fold {fold}")
            if config.channels_last:
                network.to(memory_format=torch.channels_last_3d)
        prefer_onednn(networks[0])  # the one that the predictor loads the weights of each fold into
        self._predictor = nnUNetPredictor(
            tile_step_size=config.tile_step,
            use_mirroring=bool(config.mirrored_axes),
            device=device,
            allow_tqdm=False,
        )
        self._predictor.manual_initialization(
            networks[0],
            manager,
            configuration,
            [copy.deepcopy(network.state_dict()) for network in networks],
            dict(model.description),
            Trainer.__name__,
            config.mirrored_axes or None,
        )

    def predict(self, volume: Volume) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Labels ``(I, J, K)`` and probabilities ``(1 + structures, I, J, K)`` of one volume."""
        labels, probabilities = self._predictor.predict_single_npy_array(
            to_array(volume), properties_of(volume), None, None, True
        )
        return (
            np.ascontiguousarray(labels.transpose(2, 1, 0), dtype=np.uint8),
            np.ascontiguousarray(probabilities.transpose(0, 3, 2, 1), dtype=np.float32),
        )
