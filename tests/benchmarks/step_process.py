"""A training step in a process of its own, done when it is asked for.

So two steps can take turns without sharing what they set up in their process: threads, memory.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from typing import Literal

import torch

from .measuring import CLOCKS
from .msfnet_cases import Ours, Size, batches, reference

Kind = Literal["ours", "reference"]


class StepProcess:
    """A context manager, which ends the process.

    Args:
        kind: Whose step.
        size: What to train.
        clock: Name of the clock.
    """

    def __init__(self, kind: Kind, size: Size, clock: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        words = (other, kind, size, clock, torch.get_num_threads())
        self._process = context.Process(target=_serve, args=words, daemon=True)

    def __enter__(self) -> StepProcess:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.send(False)
        self._process.join()

    def step(self) -> tuple[float, dict[str, float]]:
        """Do a step; its seconds and its losses."""
        self._pipe.send(True)
        result: tuple[float, dict[str, float]] = self._pipe.recv()
        return result


def _serve(pipe: Connection, kind: Kind, size: Size, clock: str, threads: int) -> None:
    torch.set_num_threads(threads)
    if kind == "reference":
        _answer(pipe, reference(size), size, clock)
    else:
        with Ours(size) as ours:
            _answer(pipe, ours, size, clock)


def _answer(pipe: Connection, step: object, size: Size, clock: str) -> None:
    pair = batches(size)
    while pipe.recv():
        start = CLOCKS[clock]()
        losses = step(*pair)
        seconds = CLOCKS[clock]() - start
        pipe.send((seconds, {name: float(loss.detach()) for name, loss in losses.items()}))
