"""nnU-Net's random batches by number, in whatever process: the same bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.data import Dataset

from cmda_core.training.loop import seed_everything

Batch = dict[str, Any]


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
