"""nnU-Net's random batches by number, from worker processes or from this one: the same bits."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

from cmda_core.training.loop import seed_everything

Batch = dict[str, Any]

PATIENCE_SECONDS = 600
"""For a batch of a worker; those that take longer have died unseen."""

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # where Linux keeps it
_WAITING = 3
"""Batches of a worker that exist at a time: two that wait, and one that is made."""


class Batches(Dataset[Batch]):
    """Batches that depend on their own seed alone, not on those before them.

    Args:
        loader: nnU-Net's, which draws from the global random generators.
        seed: Seed of a batch by its number.
        first: Number of the first batch.
        last: Number after the last one.
    """

    def __init__(self, loader: Any, seed: Callable[[int], int], first: int, last: int) -> None:
        self._loader = loader
        self._seed = seed
        self._numbers = range(first, last)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> Batch:
        seed_everything(self._seed(self._numbers[index]))
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # as in worker processes: sums over more threads round otherwise
        try:
            batch: Batch = self._loader.generate_train_batch()
        finally:
            torch.set_num_threads(threads)
        return batch


class WorkersError(RuntimeError):
    """Worker processes have too little shared memory."""


def require_shared_memory(batch: Batch, workers: int) -> None:
    """Find out whether workers can hand over batches: PyTorch waits for ever for one that has no room.

    Args:
        batch: One like those that they will make.
        workers: Number of processes of each of the two loaders.

    Raises:
        WorkersError: If the batches that wait to be used need more than is free.
    """
    if _SHARED_MEMORY.is_dir():
        needed = 2 * workers * _WAITING * sum(map(_bytes, batch.values()))
        if needed > shutil.disk_usage(_SHARED_MEMORY).free:
            raise WorkersError(f"{_SHARED_MEMORY}: {workers} workers need {needed / 1e6:.0f} MB.")


def workers_failed(error: Exception) -> bool:
    """Whether worker processes of torch's DataLoader died or could not start, as without shared memory.

    torch raises a death in the main thread at whatever moment it hears of it. On a shared memory that is
    too small for their semaphores the system says that no space is left; of a disk, what writes there has
    said so in our words.
    """
    full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    dead = isinstance(error, RuntimeError) and (
        "DataLoader worker" in str(error) or "timed out" in str(error)
    )
    return full or dead or isinstance(error, WorkersError)


def _bytes(part: object) -> int:
    if isinstance(part, list | tuple):
        return sum(map(_bytes, part))
    return int(getattr(part, "nbytes", 0))
