"""Semi-supervised contrastive pre-training of E_H (section 3.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from cmda_core.run import Run
from cmda_core.training.loop import Trainable, train
from cmda_koosnet.batches import Batches
from cmda_koosnet.config import KoosNetConfig
from cmda_koosnet.features import FrozenFeatures
from cmda_koosnet.losses import self_contrast, supcon, supervised_contrast
from cmda_koosnet.network import ContrastiveNet
from cmda_koosnet.sampling import Subjects


def pretrain(
    net: ContrastiveNet,
    source: FrozenFeatures,
    cases: Subjects,
    config: KoosNetConfig,
    run: Run,
) -> None:
    """Train E_H and the projection heads; the network is left in evaluation mode.

    Args:
        net: E_H and the heads.
        source: Features of the cases, in both modalities.
        cases: The annotated and unannotated subjects to learn from.
        config: Loss, batches, epochs.
        run: Of this phase alone.
    """
    optimizer = torch.optim.Adam(net.parameters(), lr=config.pretrain_learning_rate)
    module, optimizer = run.fabric.setup(net, optimizer)
    module.train()
    batches = Batches(source, cases, config, run)

    def step(number: int) -> Mapping[str, Tensor]:
        subjects = batches.subjects(number)
        own, supervised = module(*batches.views(number, subjects))
        losses = contrastive_losses(own, supervised, [cases[index].grade for index in subjects], config)
        loss = config.self_weight * losses["self"] + config.supervised_weight * losses["supervised"]
        optimizer.zero_grad()
        run.fabric.backward(loss)
        optimizer.step()
        return {"loss": loss.detach()} | {key: value.detach() for key, value in losses.items()}

    train(
        run,
        Trainable({"net": module}, {"adam": optimizer}),
        step,
        steps=batches.steps,
        description="Contrastive pre-training",
        save_every=config.save_every,
        log_every=config.log_every,
    )
    module.eval()


def contrastive_losses(
    own: Tensor, supervised: Tensor, grades: Sequence[int | None], config: KoosNetConfig
) -> dict[str, Tensor]:
    """Both losses of a batch of N subjects.

    Args:
        own: ``(2 N, D)``: z of all subjects in the first modality, then in the second.
        supervised: q, in the same order.
        grades: Of the N subjects; None for those that equation 6 leaves out.
        config: Form of the loss, and τ.

    Returns:
        ``self`` and ``supervised``, scalars.
    """
    first, second = own.chunk(2)
    # Built on the host: choosing rows by a mask on the device would wait for it.
    graded = torch.tensor(
        [index for index, grade in enumerate(grades) if grade is not None], dtype=torch.long
    )
    known = torch.tensor([grade for grade in grades if grade is not None], dtype=torch.long)
    graded, known = graded.to(own.device), known.to(own.device)
    left, right = (half[graded] for half in supervised.chunk(2))
    tau = config.temperature
    if config.contrastive == "supcon":
        subjects = torch.arange(len(grades), device=own.device)
        return {
            "self": supcon(own, subjects.repeat(2), tau),
            "supervised": supcon(torch.cat([left, right]), known.repeat(2), tau),
        }
    return {
        "self": self_contrast(first, second, tau),
        "supervised": supervised_contrast(left, right, known, tau),
    }
