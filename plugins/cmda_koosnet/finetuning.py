"""Supervised training of the classifier, or of everything where nothing is frozen (section 3.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from cmda_core.koos import GRADES
from cmda_core.run import Run
from cmda_core.training.loop import Trainable, train
from cmda_koosnet.config import KoosNetConfig
from cmda_koosnet.features import FrozenFeatures, View, ViewReader
from cmda_koosnet.network import HighEncoder, TunedNet
from cmda_koosnet.sampling import Subjects, epoch_steps, graded_groups, mirror_draws, stratified_batch

Inputs = Callable[[Sequence[View]], tuple[Tensor, ...]]
"""What the trained module takes for a batch of views."""


def tune_classifier(
    classifier: nn.Linear,
    high: HighEncoder,
    source: FrozenFeatures,
    cases: Subjects,
    config: KoosNetConfig,
    run: Run,
) -> None:
    """Train the classifier alone on the output of the frozen E and E_H.

    That output is computed once for each view, because it does not change.

    Args:
        classifier: The last layer.
        high: E_H; put into evaluation mode and not changed.
        source: Features of the cases.
        cases: Subjects; those without a grade are left out.
        config: Epochs and learning rate.
        run: Of this phase alone.
    """
    device = run.fabric.device
    high = high.to(device).eval()
    pooled: dict[View, Tensor] = {}

    @torch.no_grad()
    def inputs(views: Sequence[View]) -> tuple[Tensor, ...]:
        for view in views:
            if view not in pooled:
                features, mask = source.features(view).to(device), source.reader.mask(view).to(device)
                pooled[view] = high(features[None], mask[None])[0]
        return (torch.stack([pooled[view] for view in views]),)

    _tune(classifier, inputs, cases, source.reader.modalities, config, run)


def tune_all(net: TunedNet, reader: ViewReader, cases: Subjects, config: KoosNetConfig, run: Run) -> None:
    """Train E, E_H and the classifier together; the network is left in evaluation mode.

    Args:
        net: E, E_H and the classifier.
        reader: Cuts the views.
        cases: Subjects; those without a grade are left out.
        config: Epochs and learning rate.
        run: Of this phase alone.
    """
    device = run.fabric.device

    def inputs(views: Sequence[View]) -> tuple[Tensor, ...]:
        triples = torch.stack([reader.triples(view) for view in views])
        masks = torch.stack([reader.mask(view) for view in views])
        return triples.to(device), masks.to(device)

    _tune(net, inputs, cases, reader.modalities, config, run)


def _tune(
    net: nn.Module,
    inputs: Inputs,
    cases: Subjects,
    modalities: tuple[str, str],
    config: KoosNetConfig,
    run: Run,
) -> None:
    optimizer = torch.optim.Adam(net.parameters(), lr=config.learning_rate)
    module, optimizer = run.fabric.setup(net, optimizer)
    module.train()
    groups = graded_groups(cases)
    grades = tuple(cases[group[0]].grade or 0 for group in groups)
    unseen = unseen_grades(grades).to(run.fabric.device)
    classes = torch.tensor([grade - 1 for grade in grades], device=run.fabric.device).repeat(len(modalities))

    def step(number: int) -> Mapping[str, Tensor]:
        subjects = stratified_batch(groups, number, run.seed)
        mirrored = [False] * len(subjects)
        if config.sides == "mirrored-at-random":
            mirrored = mirror_draws(len(subjects), number, run.seed)
        drawn = list(zip(subjects, mirrored, strict=True))
        scores = module(
            *inputs([View(subject, name, flip) for name in modalities for subject, flip in drawn])
        )
        known = scores.masked_fill(unseen, -torch.inf)
        loss = functional.cross_entropy(known, classes)
        optimizer.zero_grad()
        run.fabric.backward(loss)
        optimizer.step()
        return {"loss": loss.detach(), "accuracy": (known.argmax(dim=1) == classes).float().mean()}

    train(
        run,
        Trainable({"net": module}, {"adam": optimizer}),
        step,
        steps=config.epochs * epoch_steps(sum(map(len, groups)), len(groups)),
        description="Fine-tuning",
        save_every=config.save_every,
        log_every=config.log_every,
    )
    module.eval()


def unseen_grades(grades: Sequence[int]) -> Tensor:
    """True for those of grade 1 to 4 that no training case has; their score is set to −∞. Shape ``(4,)``."""
    return torch.tensor([grade not in grades for grade in GRADES])
