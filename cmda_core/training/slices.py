"""2.5D samples: three adjacent slices as three channels, read without decoding the volume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cmda_core.errors import DataError
from cmda_core.schema import Case, Cohort
from cmda_core.training.stacks import Stack


@dataclass(frozen=True, slots=True)
class SliceBatch:
    """A batch of 2.5D samples of one modality.

    Attributes:
        images: ``(N, 3, H, W)``, float32 in [-1, 1]; channel 1 is the slice itself, channels 0 and
            2 its neighbours below and above.
        labels: ``(N, 3, H, W)``, int64, if all cases have labels.
        parcellation: ``(N, 3, H, W)``, int64, if all cases have a parcellation.
    """

    images: Tensor
    labels: Tensor | None = None
    parcellation: Tensor | None = None

    def to(self, device: torch.device) -> SliceBatch:
        """The same batch on a device; from pinned memory it gets there while the device computes."""
        return self._each(lambda part: part.to(device, non_blocking=True))

    def pinned(self) -> SliceBatch:
        """The same batch in memory that a CUDA device can read by itself."""
        return self._each(Tensor.pin_memory)

    def padded(self, stride: int) -> SliceBatch:
        """The same batch with H and W rounded up to multiples of ``stride`` by repeating the edge."""
        height, width = self.images.shape[-2:]
        if not height % stride and not width % stride:
            return self
        rows, columns = (torch.arange(n + -n % stride).clamp(max=n - 1) for n in (height, width))

        return self._each(lambda part: part[..., rows, :][..., columns])

    def _each(self, change: Callable[[Tensor], Tensor]) -> SliceBatch:
        return SliceBatch(
            change(self.images),
            None if self.labels is None else change(self.labels),
            None if self.parcellation is None else change(self.parcellation),
        )


class SliceSampler:
    """Draws random slice triples from a prepared cohort.

    What is drawn depends on the seed and the number of the step alone, so a resumed training sees
    the samples that it would have seen.

    Args:
        cohort: Prepared cases whose images are uncompressed NIfTI files.
        seed: Seed of all draws.
        size: Pixels ``(H, W)`` of a random window; whole slices if left out.
        flip: Mirror left and right at random.

    Raises:
        DataError: If the cohort is empty or a window does not fit.
    """

    def __init__(
        self, cohort: Cohort, *, seed: int, size: tuple[int, int] | None = None, flip: bool = False
    ) -> None:
        if not len(cohort):
            raise DataError(f"cohort {cohort.name!r} has no cases to train on.")
        self._stacks = [_Stacks(case) for case in cohort]
        self._seed = seed
        self._size = size
        self._flip = flip
        self._order = lru_cache(maxsize=4)(partial(_order, len(cohort), seed))
        for stacks, case in zip(self._stacks, cohort, strict=True):
            if size and any(edge > limit for edge, limit in zip(size, stacks.images.shape[1:], strict=True)):
                raise DataError(f"{case.image}: slices of {stacks.images.shape[1:]} pixels, need {size}.")

    def __len__(self) -> int:
        """Number of cases: the samples of one epoch."""
        return len(self._stacks)

    def batch(self, step: int, size: int, stream: int = 0) -> SliceBatch:
        """The batch of a step; ``size`` cases in a random order that visits each case once an epoch.

        Args:
            step: Number of the step.
            size: Samples in the batch.
            stream: Different streams draw independently from each other.
        """
        samples = [self._sample(step * size + position, stream) for position in range(size)]
        images, labels, parcellations = zip(*samples, strict=True)
        return SliceBatch(
            torch.from_numpy(_stacked(images)), _stacked_labels(labels), _stacked_labels(parcellations)
        )

    def _sample(self, position: int, stream: int) -> tuple[Any, Any, Any]:
        epoch, index = divmod(position, len(self._stacks))
        draw = np.random.default_rng([self._seed, stream, epoch, index])
        stacks = self._stacks[self._order(stream, epoch)[index]]
        depth, height, width = stacks.images.shape
        slices = neighbours(int(draw.integers(depth)), depth)
        top, left, rows, columns = 0, 0, height, width
        if self._size:
            rows, columns = self._size
            top, left = (
                int(draw.integers(limit - edge + 1)) for limit, edge in ((height, rows), (width, columns))
            )
        mirrored = self._flip and bool(draw.integers(2))
        step = -1 if mirrored else 1

        # All files are asked before the first is read: a disk or a server is then waited for once.
        with ExitStack() as streams:
            asked = [
                None if stack is None else streams.enter_context(stack.asked(slices, top, rows))
                for stack in (stacks.images, stacks.labels, stacks.parcellation)
            ]
            parts: list[Any] = [
                None if one is None else one.read()[..., left : left + columns][..., ::step] for one in asked
            ]
        image, labels, parcellation = parts
        slope = np.float32(stacks.images.slope)
        return np.multiply(image, slope, dtype=np.float32, order="C"), labels, parcellation


def _order(cases: int, seed: int, stream: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, stream, epoch]).permutation(cases)


class _Stacks:
    """The volumes of one case."""

    def __init__(self, case: Case) -> None:
        self.images = Stack.of(case.image)
        self.labels = None if case.labels is None else Stack.of(case.labels)
        self.parcellation = None if case.parcellation is None else Stack.of(case.parcellation)


def _stacked(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return arrays[0][np.newaxis] if len(arrays) == 1 else np.stack(arrays)


def _stacked_labels(arrays: Sequence[NDArray[Any] | None]) -> Tensor | None:
    known = [array for array in arrays if array is not None]
    if len(known) < len(arrays):
        return None
    return torch.from_numpy(_stacked(known).astype(np.int64, order="C"))


def neighbours(index: int, depth: int) -> list[int]:
    """A slice and the two beside it; at the ends of the volume the end slice is repeated."""
    return [min(max(index + offset, 0), depth - 1) for offset in (-1, 0, 1)]


class OverlapMean:
    """Averages the overlapping predictions of each slice as they come, in the memory of one volume.

    Args:
        depth: Slices K of the volume.
        height: Rows J of a slice.
        width: Columns I of a slice.
    """

    def __init__(self, depth: int, height: int, width: int) -> None:
        self._total = torch.zeros(depth, height, width)
        self._count = torch.zeros(depth, 1, 1)

    def add(self, start: int, triples: Tensor) -> None:
        """Take in predictions.

        Args:
            start: Position of the first triple.
            triples: ``(N, 3, J, I)``, on the CPU: for each position from ``start`` on its prediction
                of the slice below, the slice itself and the slice above.
        """
        depth = len(self._total)
        places = [neighbours(start + offset, depth) for offset in range(len(triples))]
        targets = torch.tensor(places).flatten()
        self._total.index_add_(0, targets, triples.flatten(0, 1))
        self._count.index_add_(0, targets, torch.ones(len(targets), 1, 1))

    def result(self) -> NDArray[np.float32]:
        """``(I, J, K)``, each slice the mean of all predictions of it."""
        mean: NDArray[np.float32] = self._total.div_(self._count).numpy()
        return np.ascontiguousarray(mean.transpose(2, 1, 0))
