from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import bootstrap, norm

from cmda_core.evaluation.comparison.intervals import bootstrap_interval
from cmda_core.evaluation.comparison.measures import mean


def textbook_bca(values: NDArray[np.float64], draws: int) -> tuple[float, float]:
    """Efron & Tibshirani 1993, equations 14.9 to 14.15, with a loop."""
    generator = np.random.default_rng(99)
    means = np.array([generator.choice(values, len(values)).mean() for _ in range(draws)])
    bias = norm.ppf((means < values.mean()).mean())
    left_out = np.array([np.delete(values, index).mean() for index in range(len(values))])
    deviations = left_out.mean() - left_out
    skew = (deviations**3).sum() / (6 * (deviations**2).sum() ** 1.5)
    levels = []
    for quantile in norm.ppf([0.025, 0.975]):
        levels.append(norm.cdf(bias + (bias + quantile) / (1 - skew * (bias + quantile))))
    low, high = np.quantile(means, levels)
    return float(low), float(high)


def test_interval_agrees_with_scipy_and_with_the_textbook() -> None:
    values = np.random.default_rng(3).beta(8, 2, 24)
    interval = bootstrap_interval(values, seed=5)
    assert interval is not None
    reference = bootstrap((values,), np.mean, n_resamples=9999, rng=np.random.default_rng(5))
    assert interval == pytest.approx(tuple(reference.confidence_interval), abs=2e-3)
    assert interval == pytest.approx(textbook_bca(values, 10_000), abs=4e-3)


def test_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(4).normal(size=20)
    assert bootstrap_interval(values, seed=1) == bootstrap_interval(values, seed=1)


def test_few_or_equal_cases() -> None:
    assert bootstrap_interval(np.array([0.8])) is None
    assert bootstrap_interval(np.array([0.8, 0.8, 0.8])) == (0.8, 0.8)
    outlier = bootstrap_interval(np.array([0.0, 0.0, 0.0, 0.0, 0.9]))
    assert outlier is not None
    assert np.isfinite(outlier).all()


def test_mean_over_grades_counts_a_rare_grade_as_much_as_a_frequent_one() -> None:
    errors, grades = np.array([0.0, 0.0, 0.0, 2.0]), np.array([1, 1, 1, 4])
    assert mean(errors, grades) == pytest.approx(1.0)
    interval = bootstrap_interval(errors, grades)
    assert interval is not None
    assert 0.0 <= interval.low < 1.0 <= interval.high <= 2.0
