"""Trains one fold, going on exactly where an interrupted training was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cmda_core.progress import Advance
from cmda_core.run import Run
from cmda_core.training.loop import seed_everything
from cmda_core.training.state import load_state, save_state
from cmda_nnunet.batches import Batch, Batches
from cmda_nnunet.config import NnUnetConfig
from cmda_nnunet.trainer import Fold, Split, Trainer, make_trainer
from cmda_nnunet.weights import set_weights, weights_of
from cmda_nnunet.workers import load

_NETWORK, _TRAINING, _VALIDATION = range(3)
"""What random numbers are drawn for."""


@dataclass(frozen=True, slots=True)
class FoldSetup:
    """All that decides what a fold learns, beside the run.

    Attributes:
        config: Settings.
        plans: nnU-Net's plans.
        description: nnU-Net's ``dataset.json``.
        structures: Names in the order of their labels, for the log.
        fold: Number of the fold, or ``all``.
        split: Training and validation cases.
        checkpoint: File of the checkpoint.
        log: Name of the log.
        workers: Processes that make batches; 0 makes them in this one.
    """

    config: NnUnetConfig
    plans: Mapping[str, Any]
    description: Mapping[str, Any]
    structures: tuple[str, ...]
    fold: Fold
    split: Split
    checkpoint: Path
    log: str
    workers: int

    def seed(self, seed: int, purpose: int, step: int) -> int:
        """Seed of one network or batch; other for each fold, purpose and step."""
        fold = self.fold if isinstance(self.fold, int) else self.config.fold_count
        sequence = np.random.SeedSequence([seed, fold, purpose, step])
        return int(sequence.generate_state(1)[0])


def train_fold(setup: FoldSetup, run: Run, advance: Advance) -> dict[str, Tensor]:
    """Train a fold to its last epoch, from its checkpoint if there is one.

    Every batch has its own seed, so an interrupted training ends with the same weights as one that was
    not, bit for bit on the CPU.

    Args:
        setup: What is learnt.
        run: Gives device, seed and log.
        advance: Told of every epoch that is done.

    Returns:
        Weights of the network, on the CPU.

    Raises:
        WorkersError: If a worker process failed.
    """
    seed_everything(setup.seed(run.seed, _NETWORK, 0))
    trainer = make_trainer(
        setup.config, setup.plans, setup.description, setup.fold, setup.split, run.fabric.device
    )
    done = _resume(trainer, setup.checkpoint)
    run.rewind_log(done, setup.log)
    advance(done)
    training, validation = _batches(trainer, setup, run, done)
    for epoch in range(done, setup.config.epochs):
        figures = _train_epoch(trainer, training, epoch)
        figures |= _validate(
            trainer, islice(validation, setup.config.validation_iterations), setup.structures
        )
        run.log(epoch + 1, figures, setup.log)
        if (epoch + 1) % setup.config.save_every == 0 or epoch + 1 == setup.config.epochs:
            _save(trainer, setup.checkpoint, epoch + 1)
        advance(1)
    return weights_of(_network(trainer))


def _train_epoch(trainer: Trainer, batches: Iterator[Batch], epoch: int) -> dict[str, float]:
    trainer.network.train()
    trainer.lr_scheduler.step(epoch)
    count = trainer.config.iterations_per_epoch
    losses = [trainer.train_step(batch)["loss"] for batch in islice(batches, count)]
    return {"loss": float(np.mean(losses)), "learning_rate": float(trainer.lr_scheduler.get_last_lr()[0])}


@torch.no_grad()
def _validate(trainer: Trainer, batches: Iterator[Batch], structures: tuple[str, ...]) -> dict[str, float]:
    trainer.network.eval()
    outputs = [trainer.validation_step(batch) for batch in batches]
    if not outputs:
        return {}
    hits, extra, missed = (
        np.sum([output[f"{key}_hard"] for output in outputs], axis=0) for key in ("tp", "fp", "fn")
    )
    figures = {"validation_loss": float(np.mean([output["loss"] for output in outputs]))}
    for name, hit, total in zip(structures, hits, 2 * hits + extra + missed, strict=True):
        if total:
            figures[f"pseudo_dice_{name}"] = float(2 * hit / total)
    return figures


def _batches(
    trainer: Trainer, setup: FoldSetup, run: Run, done: int
) -> tuple[Iterator[Batch], Iterator[Batch]]:
    # Building the loaders draws a batch of each, which must not matter to what follows.
    loaders = [augmenter.data_loader for augmenter in trainer.get_dataloaders()]
    per_epoch = (setup.config.iterations_per_epoch, setup.config.validation_iterations)
    batches = [
        Batches(loader, partial(setup.seed, run.seed, purpose), done * count, setup.config.epochs * count)
        for loader, purpose, count in zip(loaders, (_TRAINING, _VALIDATION), per_epoch, strict=True)
    ]
    pin_memory = run.fabric.device.type == "cuda"
    training, validation = (load(some, setup.workers, pin_memory) for some in batches)
    return training, validation


def _network(trainer: Trainer) -> torch.nn.Module:
    network = trainer.network
    compiled_from: torch.nn.Module | None = getattr(network, "_orig_mod", None)
    return network if compiled_from is None else compiled_from


def _save(trainer: Trainer, path: Path, done: int) -> None:
    scaler = trainer.grad_scaler
    state = {
        "done": done,
        "weights": weights_of(_network(trainer)),
        "optimiser": trainer.optimizer.state_dict(),
        "scaler": None if scaler is None else scaler.state_dict(),
    }
    save_state(path, state)


def _resume(trainer: Trainer, path: Path) -> int:
    if not path.exists():
        return 0
    state = load_state(path)
    set_weights(_network(trainer), state["weights"], str(path))
    trainer.optimizer.load_state_dict(state["optimiser"])
    _lay_out_like_weights(trainer.optimizer)
    if trainer.grad_scaler is not None and state["scaler"] is not None:
        trainer.grad_scaler.load_state_dict(state["scaler"])
    return int(state["done"])


def _lay_out_like_weights(optimiser: torch.optim.Optimizer) -> None:
    # Files are contiguous; arithmetic in another memory layout than before would round otherwise.
    for weight, state in optimiser.state.items():
        for key, value in state.items():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                state[key] = torch.empty_like(weight).copy_(value)
