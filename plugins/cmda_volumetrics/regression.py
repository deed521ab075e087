"""Regressions from features to a distribution over grades, kept as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from cmda_core.koos import GRADES

Array = NDArray[np.float64]
Kind = Literal["ordinal", "logistic"]

_ITERATIONS = 5000


@dataclass(frozen=True, slots=True)
class Regression:
    """A fitted regression.

    Attributes:
        kind: How the linear scores become probabilities.
        grades: The g grades that it can tell apart, rising.
        means: Of each of the n features, shape ``(n,)``.
        scales: Standard deviation of each feature, 1 for constant ones, shape ``(n,)``.
        coefficients: Of the standardised features, shape ``(g - 1, n)`` for ``ordinal`` (one row
            per threshold) and ``(g, n)`` for ``logistic`` (one row per grade).
        intercepts: One per row of ``coefficients``.
    """

    kind: Kind
    grades: tuple[int, ...]
    means: Array
    scales: Array
    coefficients: Array
    intercepts: Array

    def probabilities(self, features: Array) -> Array:
        """Probabilities of grade 1 to 4.

        Args:
            features: Shape ``(cases, n)``; NaN counts as the training cases' mean.

        Returns:
            Shape ``(cases, 4)``, rows sum to 1; 0 for grades outside of ``grades``.
        """
        scores = _standardise(features, self.means, self.scales) @ self.coefficients.T + self.intercepts
        known = _from_thresholds(expit(scores)) if self.kind == "ordinal" else softmax(scores, axis=1)
        result = np.zeros((len(features), len(GRADES)))
        result[:, [grade - 1 for grade in self.grades]] = known
        return result


def fit_regression(kind: Kind, features: Array, grades: NDArray[np.int64], strength: float) -> Regression:
    """Fit a regression in which each grade weighs the same, however many cases it has.

    Args:
        kind: ``ordinal`` (Frank & Hall 2001: one logistic regression per threshold) or ``logistic``.
        features: Shape ``(cases, n)``; NaN counts as the mean of the feature.
        grades: Grade of each case; at least two different ones.
        strength: scikit-learn's C, the inverse of the regularisation.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.utils.class_weight import compute_sample_weight

    present = np.unique(grades)
    means, scales = _moments(features)
    standardised = _standardise(features, means, scales)
    weights = compute_sample_weight("balanced", grades)
    targets = [grades > lower for lower in present[:-1]] if kind == "ordinal" else [grades]
    models = [
        LogisticRegression(C=strength, max_iter=_ITERATIONS).fit(standardised, target, weights)
        for target in targets
    ]
    coefficients = np.concatenate([model.coef_ for model in models])
    intercepts = np.concatenate([model.intercept_ for model in models])
    if kind == "logistic" and len(present) == 2:
        # scikit-learn keeps one row for two classes; half of it for each gives the same softmax.
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    return Regression(kind, tuple(present.tolist()), means, scales, coefficients, intercepts)


def _moments(features: Array) -> tuple[Array, Array]:
    known = np.isfinite(features)
    counts = np.maximum(known.sum(axis=0), 1)
    means = np.where(known, features, 0).sum(axis=0) / counts
    deviations = np.sqrt((np.where(known, features - means, 0) ** 2).sum(axis=0) / counts)
    return means, np.where(deviations > 1e-9, deviations, 1.0)


def _standardise(features: Array, means: Array, scales: Array) -> Array:
    return np.nan_to_num((features - means) / scales, nan=0.0)


def _from_thresholds(above: Array) -> Array:
    """Probabilities of g grades from those of being above each of the g - 1 thresholds."""
    # Fitted apart from each other, the thresholds may cross; being above a higher one is never likelier.
    above = np.minimum.accumulate(above, axis=1)
    edges = np.pad(above, ((0, 0), (1, 1)), constant_values=0.0)
    edges[:, 0] = 1.0
    return edges[:, :-1] - edges[:, 1:]
