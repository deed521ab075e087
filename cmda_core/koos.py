"""Koos grades: from a distribution over the four grades to a prediction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cmda_core.errors import DataError
from cmda_core.protocols import GradingCase, KoosPrediction

GRADES = (1, 2, 3, 4)
"""Koos I (inside the canal) to IV (displaces the brainstem)."""

Decision = Literal["argmax", "median"]
"""``argmax``: the most probable grade. ``median``: the lowest grade at which the cumulative
probability reaches one half; it minimises the expected absolute error."""


def koos_prediction(
    case: str, probabilities: Sequence[float] | NDArray[np.floating], decision: Decision
) -> KoosPrediction:
    """Decide on a grade.

    Args:
        case: Identifier of the case.
        probabilities: Of grade 1 to 4; not negative, brought to a sum of 1.
        decision: How the grade follows from them.
    """
    weights = np.asarray(probabilities, dtype=np.float64)
    shares = weights / weights.sum()
    index = shares.argmax() if decision == "argmax" else _median(shares)
    first, second, third, fourth = shares.tolist()
    return KoosPrediction(case, GRADES[int(index)], (first, second, third, fourth))


def _median(shares: NDArray[np.float64]) -> np.intp:
    # Rounding may leave a sum that should be one half just below it.
    return np.argmax(shares.cumsum() >= 0.5 - 1e-12)


def grades_present(cases: Iterable[GradingCase]) -> tuple[int, ...]:
    """The grades that occur, in rising order.

    Raises:
        DataError: If there are fewer than two: nothing can be told apart.
    """
    grades = sorted({case.grade for case in cases if case.grade is not None})
    if len(grades) < 2:
        found = f"only grade {grades[0]}" if grades else "none"
        raise DataError(
            f"grading: expected annotated cases of at least two Koos grades, got {found}. Add cases with "
            "other grades, or give the grades in infos_source_training.csv."
        )
    return tuple(grades)
