"""Labelled slices of a cohort, drawn by number, so that a resumed training sees what it would have seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cmda_core.errors import DataError
from cmda_core.schema import Case, Cohort
from cmda_core.training.slices import neighbours
from cmda_core.volumes import open_slices

AUGMENTATION, _ORDER, _SLICE = range(3)
"""Tell the draws of one seed apart."""

_FLAT = 1e-6
"""Standard deviation of an image that shows nothing."""


class LabelledSlices:
    """Slice triples of normalised intensities, with the labels of the middle slice.

    Args:
        cohort: Prepared cases with labels.
        foreground: Share of the slices of a batch that must hold a structure.
        seed: Of all draws.

    Raises:
        DataError: If the cohort is empty, a case has no labels, or slices differ in size.
    """

    def __init__(self, cohort: Cohort, *, foreground: float, seed: int) -> None:
        if not len(cohort):
            raise DataError(f"cohort {cohort.name!r} has no cases to train a segmenter on.")
        self._cases = [_LabelledCase(case) for case in cohort]
        self._foreground = foreground
        self._seed = seed
        first = self._cases[0].images.shape[1:]
        for stack, case in zip(self._cases, cohort, strict=True):
            if stack.images.shape[1:] != first:
                raise DataError(
                    f"{case.image}: slices of {stack.images.shape[1:]} pixels (J, I), but those of "
                    f"{cohort.cases[0].id} have {first}. Prepare all cases with the same crop size."
                )

    def batch(self, number: int, size: int) -> tuple[Tensor, Tensor]:
        """The batch of that number.

        Args:
            number: Of the batch; cases come in a random order that visits each of them once an epoch.
            size: Slices.

        Returns:
            Images ``(size, 3, H, W)``, float32, with mean 0 and standard deviation 1 over their case,
            and labels ``(size, H, W)``, int64. The last ones hold a structure.
        """
        free = size - round(size * self._foreground)
        pairs = [self._sample(number * size + place, place >= free) for place in range(size)]
        images, labels = (np.stack(arrays) for arrays in zip(*pairs, strict=True))
        return torch.from_numpy(images), torch.from_numpy(labels)

    def _sample(self, position: int, foreground: bool) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        epoch, index = divmod(position, len(self._cases))
        order = np.random.default_rng([self._seed, _ORDER, epoch]).permutation(len(self._cases))
        draw = np.random.default_rng([self._seed, _SLICE, epoch, index])
        return self._cases[order[index]].sample(draw, foreground)


class _LabelledCase:
    """Memory maps of one case, each of shape ``(K, J, I)``, and the slices of each of its structures."""

    def __init__(self, case: Case) -> None:
        if case.labels is None:
            raise DataError(f"case {case.id}: has no labels, so a segmenter cannot be trained on it.")
        self.images, slope = open_slices(case.image)
        self._labels, _ = open_slices(case.labels)
        if self.images.shape != self._labels.shape:
            raise DataError(
                f"case {case.id}: an image of {self.images.shape} voxels (K, J, I), but labels of "
                f"{self._labels.shape}. Prepare the case again."
            )
        mean, spread = moments(self.images)
        self._mean, self._spread = mean, max(spread, _FLAT / slope)
        present = [label for label in np.unique(self._labels) if label]
        self._slices = [np.flatnonzero((self._labels == label).any(axis=(1, 2))) for label in present]

    def sample(
        self, draw: np.random.Generator, foreground: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """A random slice triple and the labels of its middle slice."""
        choices = np.arange(len(self.images))
        if foreground and self._slices:
            choices = self._slices[draw.integers(len(self._slices))]
        middle = int(draw.choice(choices))
        triple = self.images[neighbours(middle, len(self.images))].astype(np.float32)
        labels: NDArray[np.int64] = self._labels[middle].astype(np.int64)
        return (triple - np.float32(self._mean)) / np.float32(self._spread), labels


def normalised(voxels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intensities of one case with mean 0 and standard deviation 1; of a constant image all 0."""
    mean, spread = moments(voxels)
    scaled: NDArray[np.float32] = (voxels - np.float32(mean)) / np.float32(max(spread, _FLAT))
    return scaled


def moments(voxels: NDArray[Any]) -> tuple[float, float]:
    """Mean and standard deviation of all voxels, in double precision."""
    return float(voxels.mean(dtype=np.float64)), float(voxels.std(dtype=np.float64))
