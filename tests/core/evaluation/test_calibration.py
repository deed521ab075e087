import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from cmda_core.errors import DataError
from cmda_core.evaluation.calibration import calibration


def draw(seed: int, cases: int = 60) -> tuple[list[int], list[int], np.ndarray]:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet([0.7] * 4, cases)
    true = random.integers(1, 5, cases).tolist()
    return true, (probabilities.argmax(axis=1) + 1).tolist(), probabilities


def naive_ece(true: list[int], predicted: list[int], probabilities: np.ndarray, bins: int) -> float:
    total = 0.0
    for number in range(bins):
        low, high = number / bins, (number + 1) / bins
        members = [
            index
            for index, guess in enumerate(predicted)
            if (low < probabilities[index][guess - 1] <= high)
            or (number == 0 and probabilities[index][guess - 1] == 0)
        ]
        if members:
            right = sum(true[index] == predicted[index] for index in members) / len(members)
            sure = sum(probabilities[index][predicted[index] - 1] for index in members) / len(members)
            total += len(members) / len(true) * abs(right - sure)
    return total


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("bins", [5, 10, 15])
def test_the_expected_error_is_that_of_a_loop(seed: int, bins: int) -> None:
    true, predicted, probabilities = draw(seed)

    found = calibration(true, predicted, probabilities, bins)

    assert found.ece == pytest.approx(naive_ece(true, predicted, probabilities, bins), abs=1e-12)
    assert sum(one.cases for one in found.bins) == len(true)


@pytest.mark.parametrize("seed", range(4))
def test_the_brier_score_is_that_of_scikit_learn(seed: int) -> None:
    true, predicted, probabilities = draw(seed)

    expected = brier_score_loss(true, probabilities, labels=[1, 2, 3, 4], scale_by_half=False)

    assert calibration(true, predicted, probabilities).brier == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(4))
def test_the_ranked_score_is_the_mean_brier_score_of_the_thresholds(seed: int) -> None:
    true, predicted, probabilities = draw(seed)

    above = [
        brier_score_loss([grade > limit for grade in true], probabilities[:, limit:].sum(axis=1))
        for limit in (1, 2, 3)
    ]

    assert calibration(true, predicted, probabilities).rps == pytest.approx(np.mean(above))


def test_confidences_on_an_edge_belong_to_the_bin_below() -> None:
    probabilities = np.array([[0.3, 0.2, 0.25, 0.25], [0.7, 0.1, 0.1, 0.1], [1.0, 0, 0, 0], [0, 0.4, 0.6, 0]])

    found = calibration([1, 1, 1, 1], [1, 1, 1, 1], probabilities)

    assert [round(one.high, 6) for one in found.bins if one.cases] == [0.1, 0.3, 0.7, 1.0]


def test_somebody_who_knows_has_no_error() -> None:
    found = calibration([1, 2, 4], [1, 2, 4], np.eye(4)[[0, 1, 3]])

    assert (found.ece, found.brier, found.rps) == (0, 0, 0)


def test_a_miss_by_three_grades_costs_more_than_one_by_one_in_the_ranked_score_alone() -> None:
    near, far = (calibration([1], [guess], np.eye(4)[[guess - 1]]) for guess in (2, 4))

    assert near.brier == far.brier == 2
    assert (near.rps, far.rps) == (pytest.approx(1 / 3), 1)


def test_the_confidence_is_that_of_the_predicted_grade() -> None:
    """The median of a distribution need not be its most probable grade."""
    found = calibration([2], [2], np.array([[0.4, 0.3, 0.3, 0.0]]))

    assert [one.confidence for one in found.bins if one.cases] == [pytest.approx(0.3)]


def test_nothing_to_compare() -> None:
    with pytest.raises(DataError, match="one of each per case"):
        calibration([], [], np.zeros((0, 4)))
