"""Bootstrap intervals over cases."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cmda_core.evaluation.comparison.measures import mean

RESAMPLES = 9999
CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float


def bootstrap_interval(
    values: NDArray[np.float64], groups: NDArray[np.int64] | None = None, *, seed: int = 0
) -> Interval | None:
    """Bias-corrected and accelerated (BCa) bootstrap interval of a mean, cases being drawn.

    Efron 1987. Scores of segmentations are skewed and bounded, which percentiles alone do not heed.
    Where BCa is not defined (a few cases, nearly all alike) the percentiles are taken.

    Args:
        values: One score per case, shape ``(cases,)``.
        groups: True grade of each case, for a mean over grades.
        seed: Same seed, same interval.

    Returns:
        Nothing for fewer than two cases.
    """
    if len(values) < 2:
        return None
    if np.ptp(values) == 0:
        return Interval(float(values[0]), float(values[0]))
    found = _scipy_interval(values, groups, seed, "BCa")
    return found if np.isfinite(found).all() else _scipy_interval(values, groups, seed, "percentile")


def _scipy_interval(
    values: NDArray[np.float64], groups: NDArray[np.int64] | None, seed: int, method: str
) -> Interval:
    import warnings

    from scipy.stats import bootstrap

    def statistic(*drawn: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
        columns = [np.moveaxis(np.asarray(one), axis, -1) for one in drawn]
        return mean(columns[0], columns[1].astype(np.int64) if groups is not None else None)

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of degenerate data: seen in the result
        result = bootstrap(
            (values,) if groups is None else (values, groups),
            statistic,
            paired=True,
            vectorized=True,
            n_resamples=RESAMPLES,
            batch=1000,  # memory stays flat for the hundreds of cases of a challenge
            confidence_level=CONFIDENCE,
            method=method,
            rng=np.random.default_rng(seed),
        )
    return Interval(float(result.confidence_interval.low), float(result.confidence_interval.high))
