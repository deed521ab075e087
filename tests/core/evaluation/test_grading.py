from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from cmda_core.errors import DataError
from cmda_core.evaluation.grading import GradingScores, score_grades


def naive_macro_error(true: list[int], predicted: list[int], power: int) -> float:
    errors = []
    for grade in sorted(set(true)):
        own = [abs(guess - grade) ** power for t, guess in zip(true, predicted, strict=True) if t == grade]
        errors.append(sum(own) / len(own))
    return sum(errors) / len(errors)


@pytest.mark.parametrize("seed", range(5))
def test_scores_agree_with_loops_and_with_scikit_learn(seed: int) -> None:
    draw = np.random.default_rng(seed)
    true = draw.integers(1, 4 + seed % 2, 40).tolist()
    predicted = draw.integers(1, 5, 40).tolist()
    scores = score_grades(true, predicted)
    assert scores.cases == 40
    assert scores.ma_mae == pytest.approx(naive_macro_error(true, predicted, 1))
    assert scores.mamse == pytest.approx(naive_macro_error(true, predicted, 2))
    assert scores.accuracy == pytest.approx(metrics.accuracy_score(true, predicted))
    assert scores.macro_f1 == pytest.approx(
        metrics.f1_score(true, predicted, average="macro", zero_division=0)
    )
    expected = metrics.confusion_matrix(true, predicted, labels=[1, 2, 3, 4])
    np.testing.assert_array_equal(scores.confusion, expected)


@pytest.mark.parametrize(("constant", "error"), [(1, 1.5), (2, 1.0), (3, 1.0), (4, 1.5)])
def test_a_constant_prediction_has_the_error_that_the_challenge_names(constant: int, error: float) -> None:
    true = [1] * 12 + [2] * 51 + [3] * 73 + [4] * 46
    assert score_grades(true, [constant] * len(true)).ma_mae == pytest.approx(error)


def test_cases_without_a_grade_are_left_out() -> None:
    assert score_grades([1, None, 4], [1, 3, 3]) == score_grades([1, 4], [1, 3])


def test_perfect_grades() -> None:
    scores = score_grades([1, 2, 3, 4], [1, 2, 3, 4])
    eye = ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))
    assert scores == GradingScores(4, 0.0, 0.0, 1.0, 1.0, eye)


@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [
        ([1, 2], [1], "1 predictions for 2 cases"),
        ([1, 5], [1, 2], "got 5"),
        ([1, 2], [1, 0], "and 0"),
        ([None, None], [1, 2], "no case has"),
        ([], [], "no case has"),
    ],
)
def test_what_cannot_be_scored_is_refused(true: list[int | None], predicted: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        score_grades(true, predicted)
