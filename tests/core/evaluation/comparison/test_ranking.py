from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cmda_core.evaluation.comparison import Measure, read_scores, segmentation_measures
from cmda_core.evaluation.comparison.ranking import rank_entries
from cmda_core.evaluation.segmentation import ASSD, DICE

TEAMS = ["alpha", "beta", "gamma"]


def measures(cases: int, seed: int = 0, spread: float = 1.0) -> list[Measure]:
    draw = np.random.default_rng(seed)
    rows = [
        {
            "entry": team,
            "seed": 0,
            "case": f"case{case}",
            "structure": structure,
            "dice": round(float(np.clip(0.9 - 0.05 * spread * number + draw.normal(0, 0.05), 0, 1)), 2),
            "assd_mm": round(float(abs(0.5 + 0.1 * spread * number + draw.normal(0, 0.1))), 2),
        }
        for number, team in enumerate(TEAMS)
        for case in range(cases)
        for structure in ("vs", "cochlea")
    ]
    return segmentation_measures(pd.DataFrame(rows), [DICE, ASSD])


def naive_scores(all_measures: list[Measure]) -> dict[str, float]:
    """The challenge's words as loops."""
    per_case: dict[str, list[float]] = {team: [] for team in TEAMS}
    for case in all_measures[0].scores.index:
        ranks: dict[str, list[int]] = {team: [] for team in TEAMS}
        for measure in all_measures:
            row = measure.scores.loc[case]
            for team in TEAMS:
                better = [
                    other
                    for other in TEAMS
                    if (row[other] > row[team] if measure.metric is DICE else row[other] < row[team])
                ]
                ranks[team].append(1 + len(better))
        for team in TEAMS:
            per_case[team].append(sum(ranks[team]) / len(ranks[team]))
    return {team: sum(scores) / len(scores) for team, scores in per_case.items()}


def test_ranking_agrees_with_the_challenges_words() -> None:
    some = measures(7)
    ranking = rank_entries(some)
    expected = naive_scores(some)
    assert {team.entry: team.score for team in ranking.teams} == pytest.approx(expected)
    assert [team.entry for team in ranking.teams] == sorted(TEAMS, key=lambda team: expected[team])
    assert ranking.cases == 7
    assert ranking.bootstraps == 1000


def test_ties_share_a_rank_and_the_next_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(
        "Case,VS_Dice,VS_ASSD,Cochlea_Dice,Cochlea_ASSD,Team\n"
        "1,0.9,0.5,0.8,0.3,a\n1,0.9,0.5,0.8,0.3,b\n1,0.7,0.9,0.6,0.5,c\n"
    )
    table, metrics = read_scores(path)
    ranking = rank_entries(segmentation_measures(table, metrics))
    assert [(team.entry, team.rank, team.score) for team in ranking.teams] == [
        ("a", 1, 1.0),
        ("b", 1, 1.0),
        ("c", 3, 3.0),
    ]


def test_a_clear_order_is_stable_and_a_toss_up_is_not() -> None:
    clear, open_ = rank_entries(measures(30, spread=4.0)), rank_entries(measures(30, spread=0.0))
    assert clear.tau == pytest.approx(1.0)
    assert all(team.interval.low == team.interval.high == team.rank for team in clear.teams)
    assert clear.teams[0].first == 1.0
    assert open_.tau is not None
    assert open_.tau < 0.9
    assert max(team.interval.high - team.interval.low for team in open_.teams) >= 1


def test_all_equal_teams_have_no_order_to_be_stable() -> None:
    rows = [
        {"entry": team, "seed": 0, "case": case, "structure": "vs", "dice": 0.5, "assd_mm": 1.0}
        for team in TEAMS
        for case in "xyz"
    ]
    ranking = rank_entries(segmentation_measures(pd.DataFrame(rows), [DICE, ASSD]))
    assert [team.rank for team in ranking.teams] == [1, 1, 1]
    assert ranking.tau is None
