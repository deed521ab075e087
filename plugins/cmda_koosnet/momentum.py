"""Momentum contrast (He et al. 2020; v2: Chen et al. 2020) as another pre-training of E_H.

The two views of a subject are its two modalities, one real and one translated. Each is a query once, and
the other one, seen by a slow copy of the encoder, is its key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from cmda_core.run import Run
from cmda_core.training.loop import Trainable, train
from cmda_koosnet.batches import Batches
from cmda_koosnet.config import KoosNetConfig
from cmda_koosnet.features import FrozenFeatures
from cmda_koosnet.losses import info_nce
from cmda_koosnet.network import KeyQueue, MomentumNet
from cmda_koosnet.sampling import Subjects

_Tensors = tuple[Tensor, ...] | list[Tensor]


def pretrain_momentum(
    net: MomentumNet, source: FrozenFeatures, cases: Subjects, config: KoosNetConfig, run: Run
) -> None:
    """Train E_H and the projection head; the network is left in evaluation mode.

    Args:
        net: E_H and the head.
        source: Features of the cases, in both modalities.
        cases: The annotated and unannotated subjects; their grades are not looked at.
        config: Momentum, queue, temperature, batches, epochs.
        run: Of this phase alone.
    """
    device = run.fabric.device
    settings = config.moco
    queue = KeyQueue(settings.queue, config.projection_channels[1]).to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=config.pretrain_learning_rate)
    module, optimizer = run.fabric.setup(net, optimizer)
    # In evaluation mode, with averaged batch statistics too (Cai et al. 2021): a key that shares its
    # batch's statistics with its query gives itself away, against which MoCo shuffles over several GPUs.
    slow = AveragedModel(net, multi_avg_fn=rising_average(settings.momentum), use_buffers=True).eval()
    module.train()
    batches = Batches(source, cases, config, run)

    def step(number: int) -> Mapping[str, Tensor]:
        subjects = batches.subjects(number)
        features, masks = batches.views(number, subjects)
        owners = torch.tensor(subjects, device=device).repeat(2)
        queries = module(features, masks)
        slow.update_parameters(net)
        with torch.no_grad():
            keys = slow(features, masks)
        # Not the subject's own earlier keys, which a small cohort's queue holds.
        others = owners[:, None] != queue.owners[None, :]
        partners = keys.roll(len(subjects), 0)
        loss = info_nce(queries, partners, queue.keys, others, settings.temperature)
        optimizer.zero_grad()
        run.fabric.backward(loss)
        optimizer.step()
        queue.push(keys, owners)
        return {"loss": loss.detach()}

    train(
        run,
        Trainable({"net": module, "slow": slow, "queue": queue}, {"adam": optimizer}),
        step,
        steps=batches.steps,
        description="Momentum-contrast pre-training",
        save_every=config.save_every,
        log_every=config.log_every,
    )
    module.eval()


def rising_average(momentum: float) -> Callable[[_Tensors, _Tensors, Tensor | int], None]:
    """A moving average that keeps (1 + n) / (10 + n) of itself in update n, and at most ``momentum``.

    With the whole momentum from the start, the batch statistics of the slow encoder would for a thousand
    steps be those that it was made with, which belong to no image.
    """

    @torch.no_grad()
    def update(averages: _Tensors, values: _Tensors, count: Tensor | int) -> None:
        kept = torch.as_tensor((1 + count) / (10 + count)).clamp(max=momentum)
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(value, (1 - kept).to(average.dtype))
            else:
                average.copy_(value)

    return update
