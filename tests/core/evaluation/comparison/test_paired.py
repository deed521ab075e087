from __future__ import annotations

import itertools

import numpy as np
import pytest

from cmda_core.evaluation.comparison.paired import holm, rank_biserial, wilcoxon_p


def naive_holm(p_values: list[float]) -> list[float]:
    """By the definition: step down, the smallest p against all that are left."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for step, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - step) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def exact_p(differences: list[float]) -> float:
    """Signed-rank p by trying every sign."""
    ranks = np.argsort(np.argsort(np.abs(differences))) + 1
    centre = ranks.sum() / 2
    seen = abs(ranks[np.array(differences) > 0].sum() - centre)
    signs = itertools.product((0, 1), repeat=len(differences))
    return float(np.mean([abs(np.dot(sign, ranks) - centre) >= seen for sign in signs]))


def test_holm_agrees_with_a_plain_loop() -> None:
    draw = np.random.default_rng(1)
    for count in (1, 2, 5, 20):
        p_values = draw.uniform(size=count).round(2).tolist()
        assert holm(p_values) == pytest.approx(naive_holm(p_values))
    assert holm([]) == []


def test_wilcoxon_agrees_with_trying_every_sign() -> None:
    differences = np.random.default_rng(2).normal(0.3, 1, 9)
    assert wilcoxon_p(differences) == pytest.approx(exact_p(differences.tolist()))


def test_equal_entries_do_not_differ() -> None:
    nothing = np.array([0.0, 1e-16, -1e-16])
    assert wilcoxon_p(nothing) == 1.0
    assert rank_biserial(nothing) == 0.0


def test_rank_biserial_is_the_share_of_ranks_won_less_that_lost() -> None:
    assert rank_biserial(np.array([1.0, 2.0, 3.0])) == 1.0
    assert rank_biserial(np.array([-1.0, -2.0])) == -1.0
    # Ranks 1, 2, 3, 4: won 1 + 4, lost 2 + 3.
    assert rank_biserial(np.array([0.1, -0.2, -0.3, 0.4])) == 0.0
    assert rank_biserial(np.array([-0.1, 0.2, 0.3, 0.4])) == pytest.approx((9 - 1) / 10)
