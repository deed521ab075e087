from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wilcoxon

from cmda_core.errors import DataError
from cmda_core.evaluation.comparison import GRADING_METRICS, compare, grading_measures, segmentation_measures
from cmda_core.evaluation.grading import score_grades
from cmda_core.evaluation.segmentation import ASSD, DICE
from cmda_core.reporting.comparison import rendered


def scores() -> pd.DataFrame:
    draw = np.random.default_rng(8)
    rows = [
        {"entry": entry, "seed": 0, "case": case, "structure": "vs", "dice": dice, "assd_mm": 2 - dice}
        for entry, shift in (("ours", 0.05), ("theirs", 0.0), ("worse", -0.1))
        for case, dice in enumerate(np.clip(0.8 + shift + draw.normal(0, 0.05, 15), 0, 1))
    ]
    return pd.DataFrame(rows)


def test_contrasts_are_paired_tests_against_the_baseline() -> None:
    table = scores()
    comparison = compare(segmentation_measures(table, [DICE, ASSD]), name="t", baseline="theirs")
    assert [(one.entry, one.metric.name) for one in comparison.contrasts] == [
        ("ours", "dice"),
        ("worse", "dice"),
        ("ours", "assd_mm"),
        ("worse", "assd_mm"),
    ]
    wide = table.pivot(index="case", columns="entry", values="dice")
    ours = comparison.contrasts[0]
    assert ours.difference == pytest.approx((wide["ours"] - wide["theirs"]).mean())
    assert ours.p == pytest.approx(wilcoxon(wide["ours"] - wide["theirs"]).pvalue)
    assert all(one.p <= one.p_holm <= 4 * one.p for one in comparison.contrasts)
    # Better is positive whichever way the metric goes.
    assert comparison.contrasts[1].effect < 0
    assert comparison.contrasts[3].effect == pytest.approx(comparison.contrasts[1].effect)


def test_the_spread_over_seeds_has_a_table_of_its_own() -> None:
    one = scores()[["entry", "seed", "case", "structure", "dice"]]
    other = one.assign(seed=1, dice=one["dice"] - 0.1)
    comparison = compare(segmentation_measures(pd.concat([one, other]), [DICE]), name="t")
    text = rendered(comparison, "markdown")
    assert "## Spread over seeds" in text
    assert "| theirs | 2 | 0.071 |" in text  # 0.1 / sqrt(2)
    alone = compare(segmentation_measures(one, [DICE]), name="t")
    assert "Spread over seeds" not in rendered(alone, "markdown")


def test_the_same_scores_give_the_same_numbers() -> None:
    first, second = (
        compare(segmentation_measures(scores(), [DICE]), name="t", baseline="ours") for _ in range(2)
    )
    assert first == second


def test_grades_are_scored_as_the_evaluation_scores_them() -> None:
    draw = np.random.default_rng(4)
    truth = [1, 1, 2, 2, 2, 3, 3, 4]
    guesses = {seed: draw.integers(1, 5, len(truth)) for seed in (0, 1)}
    rows = [
        {"entry": "net", "seed": seed, "case": f"c{n}", "reference": truth[n], "predicted": guesses[seed][n]}
        for seed in guesses
        for n in range(len(truth))
    ]
    rows.append({"entry": "net", "seed": 0, "case": "operated", "reference": None, "predicted": 2})
    comparison = compare(grading_measures(pd.DataFrame(rows), GRADING_METRICS), name="t")
    expected = [score_grades(truth, guess.tolist()) for guess in guesses.values()]
    for metric in ("ma_mae", "mamse", "accuracy"):
        estimate = comparison.estimate("net", "koos", metric)
        assert estimate is not None
        each = [getattr(one, metric) for one in expected]
        assert estimate.mean == pytest.approx(np.mean(each))
        assert estimate.seed_sd == pytest.approx(np.std(each, ddof=1))
    assert comparison.ranking is None


def test_nothing_to_compare_is_an_error() -> None:
    empty = pd.DataFrame({"entry": ["a"], "seed": [0], "case": ["x"], "reference": [None], "predicted": [1]})
    with pytest.raises(DataError, match="no case has a true Koos grade"):
        grading_measures(empty, GRADING_METRICS)
    nothing = pd.DataFrame(
        {"entry": ["a"], "seed": [0], "case": ["x"], "structure": ["vs"], "dice": [float("nan")]}
    )
    with pytest.raises(DataError, match="vs: no case has a Dice of every entry"):
        compare(segmentation_measures(nothing, [DICE]), name="t")
