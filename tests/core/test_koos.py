from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cmda_core.errors import DataError
from cmda_core.koos import Decision, grades_present, koos_prediction
from cmda_core.protocols import GradingCase


@pytest.mark.parametrize(
    ("probabilities", "argmax", "median"),
    [
        ((0.4, 0.1, 0.2, 0.3), 1, 2),
        ((0.0, 0.0, 0.0, 1.0), 4, 4),
        ((0.5, 0.0, 0.0, 0.5), 1, 1),
        ((1.0, 2.0, 3.0, 14.0), 4, 4),
    ],
)
def test_decisions(probabilities: tuple[float, ...], argmax: int, median: int) -> None:
    for decision, grade in (("argmax", argmax), ("median", median)):
        prediction = koos_prediction("a", probabilities, decision)  # type: ignore[arg-type]
        assert prediction.grade == grade
        assert sum(prediction.probabilities) == pytest.approx(1)


def test_the_median_has_the_smallest_expected_absolute_error() -> None:
    decision: Decision = "median"
    for weights in np.random.default_rng(0).dirichlet([0.5] * 4, 200):
        expected = [
            sum(w * abs(guess - grade) for grade, w in enumerate(weights, 1)) for guess in (1, 2, 3, 4)
        ]
        grade = koos_prediction("a", weights, decision).grade
        assert expected[grade - 1] == pytest.approx(min(expected))


def graded(*grades: int | None) -> list[GradingCase]:
    return [GradingCase("a", "a", {}, Path("a.nii"), "ceT1", grade) for grade in grades]


def test_grades_that_occur() -> None:
    assert grades_present(graded(4, 2, None, 2)) == (2, 4)


@pytest.mark.parametrize(("grades", "found"), [((3, 3, None), "only grade 3"), ((), "none")])
def test_one_grade_is_not_enough(grades: tuple[int | None, ...], found: str) -> None:
    with pytest.raises(DataError, match=found):
        grades_present(graded(*grades))
