"""Paired tests between two entries, corrected for their number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_DIGITS = 12
"""Differences are rounded to so many decimals: averaging over seeds must not break ties."""


def wilcoxon_p(differences: NDArray[np.float64]) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; exact for few cases without ties.

    Zeros are ranked and then left out (Pratt 1959). Without any difference it is 1.

    Args:
        differences: One per case, shape ``(cases,)``.
    """
    import warnings

    from scipy.stats import wilcoxon

    rounded = np.round(differences, _DIGITS)
    if not rounded.any():
        return 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that few cases make the approximation coarse
        return float(wilcoxon(rounded, zero_method="pratt").pvalue)


def rank_biserial(differences: NDArray[np.float64]) -> float:
    """Matched-pairs rank-biserial correlation (Kerby 2014), the effect size of Wilcoxon's test.

    The sum of the ranks of cases that got better minus that of cases that got worse, divided by
    their sum.

    Args:
        differences: One per case, positive where the entry is better than the baseline.

    Returns:
        1 if every case got better, -1 if every case got worse, 0 without any difference.
    """
    from scipy.stats import rankdata

    rounded = np.round(differences, _DIGITS)
    ranks = rankdata(np.abs(rounded))
    better, worse = ranks[rounded > 0].sum(), ranks[rounded < 0].sum()
    return float((better - worse) / (better + worse)) if better + worse else 0.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p values for their number (Holm 1979): the chance of any false claim stays below the level.

    Args:
        p_values: Of one family of tests, in any order.

    Returns:
        Adjusted values in the same order, at most 1.
    """
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values, kind="stable")
    scaled = values[order] * (len(values) - np.arange(len(values)))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return [float(value) for value in adjusted]
