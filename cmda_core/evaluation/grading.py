"""How well Koos grades are predicted, as the crossMoDA challenge and the paper measure it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmda_core.errors import DataError
from cmda_core.koos import GRADES

Confusion = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class GradingScores:
    """Scores of a set of graded cases.

    "Macro" means: over the cases of each true grade first, then over the grades that occur, so
    that a rare grade counts as much as a frequent one.

    Attributes:
        cases: Number of cases with a true grade.
        ma_mae: Macro-averaged mean absolute error, 0 (best) to 3; the challenge's figure.
        mamse: Macro-averaged mean square error, 0 (best) to 9; the paper's figure.
        accuracy: Share of right grades, 0 to 1.
        macro_f1: Mean F1 of the grades that are true or predicted somewhere, 0 to 1 (best).
        confusion: Number of cases of each true grade (rows) by predicted grade (columns), 4 × 4.
    """

    cases: int
    ma_mae: float
    mamse: float
    accuracy: float
    macro_f1: float
    confusion: Confusion


def score_grades(true: Sequence[int | None], predicted: Sequence[int]) -> GradingScores:
    """Compare predicted with true Koos grades.

    Args:
        true: Grades 1 to 4; None for cases without one (post-operative), which are left out.
        predicted: Grades 1 to 4 of the same cases.

    Raises:
        DataError: If the two differ in length, hold another grade, or no case has a true grade.
    """
    confusion = confusion_matrix(true, predicted)
    total = int(confusion.sum())
    if not total:
        raise DataError("grading: no case has a true Koos grade to compare with.")
    return GradingScores(
        cases=total,
        ma_mae=_macro_error(confusion, power=1),
        mamse=_macro_error(confusion, power=2),
        accuracy=float(np.trace(confusion) / total),
        macro_f1=_macro_f1(confusion),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def confusion_matrix(true: Sequence[int | None], predicted: Sequence[int]) -> NDArray[np.int64]:
    """Number of cases of each true grade (rows) by predicted grade (columns), shape ``(4, 4)``.

    Raises:
        DataError: If the two differ in length or hold something else than grades 1 to 4.
    """
    if len(true) != len(predicted):
        raise DataError(
            f"grading: {len(predicted)} predictions for {len(true)} cases; one per case is needed."
        )
    pairs = [(grade, guess) for grade, guess in zip(true, predicted, strict=True) if grade is not None]
    counts = np.zeros((len(GRADES), len(GRADES)), dtype=np.int64)
    for grade, guess in pairs:
        if grade not in GRADES or guess not in GRADES:
            raise DataError(
                f"grading: expected Koos grades 1 to 4, got {grade} (true) and {guess} (predicted)."
            )
        counts[grade - 1, guess - 1] += 1
    return counts


def _macro_error(confusion: NDArray[np.int64], power: int) -> float:
    grades = np.arange(len(GRADES))
    errors = np.abs(grades[:, None] - grades[None, :]) ** power
    totals = confusion.sum(axis=1)
    present = totals > 0
    return float(((confusion * errors).sum(axis=1)[present] / totals[present]).mean())


def _macro_f1(confusion: NDArray[np.int64]) -> float:
    # F1 = 2 TP / (true + predicted); a grade that is neither has no F1.
    totals = confusion.sum(axis=0) + confusion.sum(axis=1)
    present = totals > 0
    return float((2 * np.diag(confusion)[present] / totals[present]).mean())
