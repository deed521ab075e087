"""2.5D samples: three adjacent slices as three channels, read without decoding the volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cmda_core.errors import DataError
from cmda_core.schema import Case, Cohort
from cmda_core.volumes import Volume
from cmda_core.volumes.nifti import StoredSlices, find_slices


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
        """The same batch on a device."""
        moved = [
            None if part is None else part.to(device, non_blocking=True)
            for part in (self.images, self.labels, self.parcellation)
        ]
        assert moved[0] is not None  # noqa: S101  # for the type checker: images are always there
        return SliceBatch(moved[0], moved[1], moved[2])

    def padded(self, stride: int) -> SliceBatch:
        """The same batch with H and W rounded up to multiples of ``stride`` by repeating the edge."""
        height, width = self.images.shape[-2:]
        if not height % stride and not width % stride:
            return self
        rows, columns = (torch.arange(n + -n % stride).clamp(max=n - 1) for n in (height, width))

        def pad(images: Tensor) -> Tensor:
            return images[..., rows, :][..., columns]

        return SliceBatch(
            pad(self.images),
            None if self.labels is None else pad(self.labels),
            None if self.parcellation is None else pad(self.parcellation),
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
        for stacks, case in zip(self._stacks, cohort, strict=True):
            if size and any(edge > limit for edge, limit in zip(size, stacks.shape[1:], strict=True)):
                raise DataError(f"{case.image}: slices of {stacks.shape[1:]} pixels, need {size}.")

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
        return SliceBatch(_stacked(images), _stacked_labels(labels), _stacked_labels(parcellations))

    def _sample(self, position: int, stream: int) -> tuple[Any, Any, Any]:
        epoch, index = divmod(position, len(self._stacks))
        order = np.random.default_rng([self._seed, stream, epoch]).permutation(len(self._stacks))
        draw = np.random.default_rng([self._seed, stream, epoch, index])
        stacks = self._stacks[order[index]]
        depth, height, width = stacks.shape
        slices = neighbours(int(draw.integers(depth)), depth)
        top, left, rows, columns = 0, 0, height, width
        if self._size:
            rows, columns = self._size
            top, left = (
                int(draw.integers(limit - edge + 1)) for limit, edge in ((height, rows), (width, columns))
            )
        mirrored = self._flip and bool(draw.integers(2))
        step = -1 if mirrored else 1
        window = np.s_[slices, top : top + rows, left : left + columns]

        def cut(stack: StoredSlices | None) -> NDArray[Any] | None:
            return None if stack is None else np.ascontiguousarray(stack.open()[window][..., ::step])

        image = cut(stacks.images)
        assert image is not None  # noqa: S101  # for the type checker
        return (
            image.astype(np.float32) * np.float32(stacks.images.slope),
            cut(stacks.labels),
            cut(stacks.parcellation),
        )


class _Stacks:
    """Where the slices of one case lie.

    Files are opened for a sample at a time: a cohort may have more of them than a process may hold open, and
    what stays mapped counts as its memory.
    """

    def __init__(self, case: Case) -> None:
        self.images = find_slices(case.image)
        self.labels, self.parcellation = (
            None if path is None else find_slices(path) for path in (case.labels, case.parcellation)
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows and columns."""
        return self.images.shape


def _stacked(arrays: tuple[NDArray[np.float32], ...]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))


def _stacked_labels(arrays: tuple[NDArray[Any] | None, ...]) -> Tensor | None:
    known = [array for array in arrays if array is not None]
    if len(known) < len(arrays):
        return None
    return torch.from_numpy(np.stack(known).astype(np.int64))


def neighbours(index: int, depth: int) -> list[int]:
    """A slice and the two beside it; at the ends of the volume the end slice is repeated."""
    return [min(max(index + offset, 0), depth - 1) for offset in (-1, 0, 1)]


def to_slices(volume: Volume) -> Tensor:
    """All slice triples of a volume, shape ``(K, 3, J, I)``."""
    stack = torch.from_numpy(np.ascontiguousarray(volume.voxels.transpose(2, 1, 0)))
    return torch.stack([stack[neighbours(index, len(stack))] for index in range(len(stack))])


def from_triples(triples: Tensor) -> NDArray[np.float32]:
    """Average the overlapping predictions of each slice.

    Args:
        triples: ``(K, 3, J, I)``: for each position its prediction of the slice below, the slice
            itself and the slice above.

    Returns:
        ``(I, J, K)``, each slice the mean of all predictions of it.
    """
    depth = triples.shape[0]
    total = torch.zeros_like(triples[:, 0])
    count = torch.zeros(depth, 1, 1, dtype=total.dtype, device=total.device)
    for index in range(depth):
        for channel, target in enumerate(neighbours(index, depth)):
            total[target] += triples[index, channel]
            count[target] += 1
    mean: NDArray[np.float32] = (total / count).float().cpu().numpy()
    return np.ascontiguousarray(mean.transpose(2, 1, 0))
