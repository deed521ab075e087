"""Chooses how strongly a regression is regularised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cmda_core.evaluation.grading import score_grades
from cmda_core.koos import Decision, koos_prediction
from cmda_volumetrics.regression import Array, Kind, fit_regression

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Inverse regularisations that are tried."""


def select_strength(
    kind: Kind,
    features: Array,
    grades: NDArray[np.int64],
    subjects: Sequence[str],
    *,
    folds: int,
    decision: Decision,
    seed: int,
) -> float:
    """The inverse regularisation with the lowest MA-MAE in stratified cross-validation.

    All cases of a subject are held out together. Of equals the smallest strength is taken. Where a grade
    has a single subject, nothing can be held out and the answer is 1.

    Args:
        kind: Kind of regression.
        features: Shape ``(cases, n)``.
        grades: Grade of each case.
        subjects: Whose case it is.
        folds: At most as many folds; never more than the rarest grade has subjects.
        decision: How grades are predicted.
        seed: Of the folds.
    """
    from sklearn.model_selection import StratifiedKFold

    lowest: dict[str, int] = {}
    for subject, grade in zip(subjects, grades.tolist(), strict=True):
        lowest[subject] = min(grade, lowest.get(subject, grade))
    people, own = np.array(list(lowest)), np.array(list(lowest.values()))
    rarest = int(np.unique(own, return_counts=True)[1].min())
    if rarest < 2:
        return 1.0
    splitter = StratifiedKFold(min(folds, rarest), shuffle=True, random_state=seed)
    whose = np.array(subjects)
    held_out = [np.isin(whose, people[part]) for _, part in splitter.split(people, own)]
    splits = [(~held, held) for held in held_out]

    def error(strength: float) -> float:
        predicted = np.zeros_like(grades)
        for kept, held in splits:
            model = fit_regression(kind, features[kept], grades[kept], strength)
            shares = model.probabilities(features[held])
            predicted[held] = [koos_prediction("", row, decision).grade for row in shares]
        return score_grades(grades.tolist(), predicted.tolist()).ma_mae

    return min(STRENGTHS, key=error)
