from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cmda_volumetrics import selection
from cmda_volumetrics.regression import Kind, fit_regression
from cmda_volumetrics.selection import STRENGTHS, select_strength

Samples = tuple[NDArray[np.float64], NDArray[np.int64]]


def samples(grades: tuple[int, ...] = (1, 2, 3, 4), noise: float = 1.0) -> Samples:
    draw = np.random.default_rng(0)
    labels = np.repeat(grades, 12)
    features = labels[:, None] * np.array([2.0, -1.0, 0.0]) + draw.normal(0, noise, (len(labels), 3))
    return features * np.array([1.0, 100.0, 0.01]), labels


def test_logistic_agrees_with_scikit_learn() -> None:
    features, grades = samples()
    reference = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, max_iter=5000))
    expected = reference.fit(features, grades).predict_proba(features)
    got = fit_regression("logistic", features, grades, 0.5).probabilities(features)
    np.testing.assert_allclose(got, expected, atol=1e-9)


def test_two_grades_agree_with_scikit_learn() -> None:
    features, grades = samples((2, 4))
    reference = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, max_iter=5000))
    expected = reference.fit(features, grades).predict_proba(features)
    for kind in ("logistic", "ordinal"):
        got = fit_regression(kind, features, grades, 0.5).probabilities(features)
        np.testing.assert_allclose(got[:, [1, 3]], expected, atol=1e-9)
        assert not got[:, [0, 2]].any()


def test_ordinal_probabilities_are_differences_of_the_thresholds_regressions() -> None:
    features, grades = samples(noise=0.5)
    above = []
    for threshold in (1, 2, 3):
        weights = 12 / np.full(len(grades), 12.0)
        model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=5000))
        model.fit(features, grades > threshold, logisticregression__sample_weight=weights)
        above.append(model.predict_proba(features)[:, 1])
    got = fit_regression("ordinal", features, grades, 1.0).probabilities(features)
    crossing = (above[1] > above[0]) | (above[2] > above[1])
    np.testing.assert_allclose(got[~crossing, 0], 1 - above[0][~crossing], atol=1e-9)
    np.testing.assert_allclose(got[~crossing, 1], (above[0] - above[1])[~crossing], atol=1e-9)
    np.testing.assert_allclose(got[~crossing, 3], above[2][~crossing], atol=1e-9)


@pytest.mark.parametrize("kind", ["ordinal", "logistic"])
def test_probabilities_are_a_distribution_even_far_away_and_with_unknown_features(kind: Kind) -> None:
    features, grades = samples()
    features[::5, 1] = np.nan
    model = fit_regression(kind, features, grades, 1.0)
    wild = np.random.default_rng(1).normal(0, 1e4, (50, 3))
    wild[0] = np.nan
    got = model.probabilities(wild)
    assert (got >= 0).all()
    np.testing.assert_allclose(got.sum(axis=1), 1)


def test_a_constant_or_unknown_feature_has_no_say() -> None:
    features, grades = samples()
    plain = fit_regression("ordinal", features, grades, 1.0).probabilities(features)
    more = np.column_stack([features, np.full(len(grades), 7.0), np.full(len(grades), np.nan)])
    np.testing.assert_allclose(
        fit_regression("ordinal", more, grades, 1.0).probabilities(more), plain, atol=1e-6
    )


def test_the_chosen_strength_is_one_of_those_tried_and_the_same_each_time() -> None:
    features, grades = samples(noise=3.0)
    people = [f"p{number}" for number in range(len(grades))]
    chosen = [
        select_strength("ordinal", features, grades, people, folds=4, decision="median", seed=1)
        for _ in range(2)
    ]
    assert chosen[0] == chosen[1]
    assert chosen[0] in STRENGTHS


def test_nothing_is_held_out_of_a_grade_with_one_subject() -> None:
    features, grades = samples()
    people = ["same" if grade == grades[-1] else f"p{number}" for number, grade in enumerate(grades)]
    strength = select_strength("logistic", features, grades, people, folds=4, decision="argmax", seed=0)
    assert strength == 1.0


def test_scans_of_a_subject_are_held_out_together(monkeypatch: pytest.MonkeyPatch) -> None:
    features, grades = samples()
    features, grades = np.repeat(features, 2, axis=0), np.repeat(grades, 2)
    people = [f"p{number // 2}" for number in range(len(grades))]
    learnt: list[int] = []

    def fit(kind: Kind, kept: np.ndarray, *rest: Any) -> Any:
        counts = np.unique(kept, axis=0, return_counts=True)[1]
        learnt.append(len(kept))
        assert (counts == 2).all()
        return fit_regression(kind, kept, *rest)

    monkeypatch.setattr(selection, "fit_regression", fit)
    select_strength("ordinal", features, grades, people, folds=3, decision="median", seed=0)
    assert max(learnt) < len(grades)
