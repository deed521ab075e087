"""Whether the probabilities of a grader can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmda_core.errors import DataError
from cmda_core.koos import GRADES

BINS = 10
"""Of equal width, from 0 to 1; each holds its upper end."""


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The cases that a grader was about equally sure of.

    Attributes:
        low: Confidences in the bin are above this; the first bin holds 0 too.
        high: Confidences in the bin are at most this.
        cases: Number of them.
        confidence: Their mean confidence; None without cases.
        accuracy: Share of right grades among them; None without cases.
    """

    low: float
    high: float
    cases: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well probabilities fit what is true.

    Attributes:
        ece: Expected calibration error, 0 (best) to 1: the mean over the cases of the distance between
            accuracy and mean confidence of their bin (Guo et al., ICML 2017).
        brier: Brier score (1950), 0 (best) to 2: the mean squared distance between the probabilities
            and those of somebody who knows the grade.
        rps: Ranked probability score (Epstein 1969), 0 (best) to 1: the same of the cumulative
            probabilities, over the three thresholds; it knows that grades are ordered.
        bins: From the lowest confidence to the highest.
    """

    ece: float
    brier: float
    rps: float
    bins: tuple[ReliabilityBin, ...]


def calibration(
    true: Sequence[int], predicted: Sequence[int], probabilities: NDArray[np.float64], bins: int = BINS
) -> Calibration:
    """Compare probabilities with true grades.

    Args:
        true: Grades 1 to 4.
        predicted: Grades of the same cases; the confidence of a case is the probability of this grade.
        probabilities: Of grade 1 to 4, shape ``(cases, 4)``; rows are brought to a sum of 1.
        bins: Number of bins of the confidence.

    Raises:
        DataError: If there is no case, or the three differ in length.
    """
    if not len(true) or not len(true) == len(predicted) == len(probabilities):
        raise DataError(
            f"calibration: {len(true)} true grades, {len(predicted)} predicted ones and "
            f"{len(probabilities)} rows of probabilities; one of each per case is needed."
        )
    shares = probabilities / probabilities.sum(axis=1, keepdims=True)
    known = np.array(true)[:, None] == np.array(GRADES)
    confidence = shares[np.arange(len(true)), np.array(predicted) - 1]
    found = _bins(confidence, np.array(true) == np.array(predicted), bins)
    steps = (shares.cumsum(axis=1) - known.cumsum(axis=1))[:, :-1]
    return Calibration(
        ece=_expected_error(found),
        brier=float(((shares - known) ** 2).sum(axis=1).mean()),
        rps=float((steps**2).mean()),
        bins=found,
    )


def _bins(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], count: int
) -> tuple[ReliabilityBin, ...]:
    edges = np.linspace(0, 1, count + 1)
    # The small step keeps a confidence that rounding has put just above an edge in the bin below it.
    number = np.clip(np.ceil(confidence * count - 1e-9).astype(int) - 1, 0, count - 1)
    return tuple(
        ReliabilityBin(
            low=float(edges[index]),
            high=float(edges[index + 1]),
            cases=int(inside.sum()),
            confidence=float(confidence[inside].mean()) if inside.any() else None,
            accuracy=float(right[inside].mean()) if inside.any() else None,
        )
        for index in range(count)
        for inside in [number == index]
    )


def _expected_error(bins: Sequence[ReliabilityBin]) -> float:
    total = sum(one.cases for one in bins)
    return sum(
        one.cases / total * abs(one.accuracy - one.confidence)
        for one in bins
        if one.accuracy is not None and one.confidence is not None
    )
