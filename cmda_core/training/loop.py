"""The training loop: steps, schedules, logs, and checkpoints from which it goes on exactly."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from cmda_core.interrupts import finishing_steps
from cmda_core.run import Run
from cmda_core.training.replicas import averaged, gathered
from cmda_core.training.state import load_state, save_state

Step = Callable[[int], Mapping[str, Tensor]]
"""Does the optimisation step of that number, counted from 0, and returns detached scalars to log."""

MOST_PICTURES = 50
"""A training of any length leaves about as many sample pictures at most."""


@dataclass(frozen=True)
class Trainable:
    """Everything that a training changes.

    Attributes:
        modules: Networks, by name.
        optimizers: Optimisers, by name.
        schedulers: Learning-rate schedules, by name; the loop advances each of them after every
            step.
        extra: Further parts with ``state_dict`` and ``load_state_dict``, such as an image pool.
    """

    modules: Mapping[str, nn.Module]
    optimizers: Mapping[str, Optimizer]
    schedulers: Mapping[str, LRScheduler] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def state(self) -> dict[str, Any]:
        """State of all parts."""
        return {
            kind: {name: part.state_dict() for name, part in parts.items()} for kind, parts in self._kinds()
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Put all parts into a state that ``state`` returned."""
        for kind, parts in self._kinds():
            for name, part in parts.items():
                part.load_state_dict(state[kind][name])

    def _kinds(self) -> list[tuple[str, Mapping[str, Any]]]:
        return [
            ("modules", self.modules),
            ("optimizers", self.optimizers),
            ("schedulers", self.schedulers),
            ("extra", self.extra),
        ]


def train(
    run: Run,
    trainable: Trainable,
    step: Step,
    *,
    steps: int,
    description: str,
    save_every: int = 200,
    log_every: int = 20,
    on_save: Callable[[int], None] | None = None,
) -> None:
    """Do ``steps`` optimisation steps, going on from the run's checkpoint if it has one.

    An interrupted training ends with the same weights and the same log, bit for bit on the CPU, as
    one that was not, if ``step`` draws its samples from its argument (as `SliceSampler` does) or from
    the global random generators of torch, NumPy and Python, whose state is kept. Ctrl-C and SIGTERM let
    the step end and its result be kept; a killed process goes on from the last checkpoint.

    Args:
        run: Gives the folder, the device and the progress bar.
        trainable: What changes in the training.
        step: Does one step. Its scalars are averaged between two lines of the log and over the processes,
            without waiting for the device, or for each other, at every step.
        steps: Number of steps in all.
        description: Beside the progress bar.
        save_every: Steps between two checkpoints.
        log_every: Steps between two lines of the log.
        on_save: Called with the number of steps done before a checkpoint is written, for sample
            pictures; at about ``MOST_PICTURES`` checkpoints, evenly spread, and at the last one.

    Raises:
        KeyboardInterrupt: After an interrupt, when the checkpoint has been written.
    """
    done, sums = _resume(run, trainable)
    shown_every = save_every * math.ceil(steps / save_every / MOST_PICTURES)
    with run.progress.task(description, steps) as advance, finishing_steps() as interrupted:
        advance(done)
        for number in range(done, steps):
            for key, value in step(number).items():
                sums[key] = sums[key] + value if key in sums else value
            for scheduler in trainable.schedulers.values():
                scheduler.step()
            finished = number + 1
            last = finished == steps
            if finished % log_every == 0 or last:
                count = (finished - 1) % log_every + 1
                means = averaged(sums, run.fabric)
                run.log(finished, {key: float(value) / count for key, value in means.items()})
                sums = {}
            if on_save is not None and (finished % shown_every == 0 or last):
                on_save(finished)
            # Several processes have to agree on the step, for which they wait as seldom as they log.
            alone = run.fabric.world_size == 1
            stopping = interrupted() if alone else not sums and _any_process(run, interrupted())
            if finished % save_every == 0 or last or stopping:
                _save(run, trainable, finished, sums)
            advance(1)
            if stopping:
                raise KeyboardInterrupt


def _any_process(run: Run, flag: bool) -> bool:
    flags = run.fabric.all_reduce(torch.tensor(float(flag), device=run.fabric.device), reduce_op="sum")
    return bool(flags)


def _save(run: Run, trainable: Trainable, done: int, sums: Mapping[str, Tensor]) -> None:
    parts = trainable.state()
    own = {"sums": {key: value.cpu() for key, value in sums.items()}, "random": _random_state()}
    first, *others = gathered({**own, "extra": parts["extra"]}, run.fabric) or [own]
    if run.leads:
        state = {"done": done, "sums": first["sums"], "parts": parts, "random": first["random"]}
        # Weights are the same in all processes; the losses of their samples, the images in their pools and
        # what they draw next are not.
        save_state(run.checkpoint, {**state, "others": others} if others else state)
    run.fabric.barrier()


def _resume(run: Run, trainable: Trainable) -> tuple[int, dict[str, Tensor]]:
    """Steps that are done, and what has been added up since the last line of the log."""
    if not run.checkpoint.exists():
        run.rewind_log(0)
        return 0, {}
    state = load_state(run.checkpoint)
    own = state if run.leads else state["others"][run.place.rank - 1]
    extra = state["parts"]["extra"] if run.leads else own["extra"]
    trainable.load({**state["parts"], "extra": extra})
    _set_random_state(own["random"])
    done = int(state["done"])
    run.rewind_log(done)
    return done, {key: value.to(run.fabric.device) for key, value in own.get("sums", {}).items()}


def _random_state() -> dict[str, Any]:
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)  # noqa: NPY002
    version, internal, gauss_next = random.getstate()
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": [name, torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, gauss],
        "python": [version, list(internal), gauss_next],
    }
    if torch.cuda.is_available():
        state["cuda"] = [torch.cuda.get_rng_state()]  # of this process's device; the others' are not its own
    return state


def _set_random_state(state: Mapping[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    name, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, gauss))  # noqa: NPY002
    version, internal, gauss_next = state["python"]
    random.setstate((version, tuple(internal), gauss_next))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"][0])


def seed_everything(seed: int) -> None:
    """Seed torch, NumPy and Python before networks are made."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  # libraries still draw from the global generator
    random.seed(seed)
