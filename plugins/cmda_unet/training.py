"""The training of the network."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from cmda_core.protocols import SegmentationData
from cmda_core.run import Run
from cmda_core.training.loop import Trainable, train
from cmda_core.training.losses import segmentation_loss
from cmda_core.training.schedules import schedule
from cmda_unet.augmentation import augment
from cmda_unet.config import UnetConfig
from cmda_unet.network import padded
from cmda_unet.sampling import AUGMENTATION, LabelledSlices


def train_network(network: nn.Module, data: SegmentationData, config: UnetConfig, run: Run) -> None:
    """Train with Dice and cross entropy, going on from the run's checkpoint if it has one.

    Args:
        network: From `cmda_unet.network.unet`; left on the run's device, in evaluation mode.
        data: Labelled cases of both modalities.
        config: Steps, optimiser, augmentation.
        run: Folder, device, seed.

    Raises:
        DataError: If the cohort cannot be used.
    """
    fabric = run.fabric
    slices = LabelledSlices(data.cases, foreground=config.foreground_oversampling, seed=run.seed)
    steps = config.epochs * config.iterations_per_epoch
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    plan = schedule(optimizer, config.schedule, steps)
    module, stepper = fabric.setup(network, optimizer)
    module.train()

    def step(number: int) -> Mapping[str, Tensor]:
        position = number * fabric.world_size + fabric.global_rank
        images, labels = slices.batch(position, config.batch_size)
        draw = np.random.default_rng([run.seed, AUGMENTATION, position])
        images, labels = (part.to(fabric.device) for part in augment(images, labels, config, draw))
        height, width = labels.shape[-2:]
        logits = module(padded(images, config))[..., :height, :width]
        loss = segmentation_loss(logits.float(), labels)
        stepper.zero_grad()
        fabric.backward(loss)
        stepper.step()
        return {"loss": loss.detach()}

    train(
        run,
        Trainable({"network": network}, {"adamw": optimizer}, {"learning rate": plan}),
        step,
        steps=steps,
        description="train U-Net",
        save_every=config.save_every,
        log_every=config.log_every,
    )
    network.eval()
