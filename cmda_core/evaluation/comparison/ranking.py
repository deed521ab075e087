"""The ranking of the crossMoDA challenge, and how stable it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cmda_core.evaluation.comparison.intervals import Interval
from cmda_core.evaluation.comparison.measures import Measure

BOOTSTRAPS = 1000


@dataclass(frozen=True, slots=True)
class TeamRank:
    """The place of an entry.

    Attributes:
        entry: Its name.
        rank: 1 + number of entries with a strictly lower score.
        score: Mean over cases of the mean rank in a case; lower is better.
        interval: Ranks between which it lies in 95 % of the bootstraps.
        first: Share of the bootstraps in which nobody is before it, 0 to 1.
    """

    entry: str
    rank: int
    score: float
    interval: Interval
    first: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """A ranking with its stability.

    Attributes:
        teams: Best first.
        tau: Mean of Kendall's tau (b) between the ranking and that of each bootstrap, -1 to 1; not
            defined if all entries tie.
        tau_interval: Where 95 % of those lie.
        cases: Number of cases.
        bootstraps: Number of bootstraps over cases.
        measures: What was ranked, such as ``vs dice``.
    """

    teams: tuple[TeamRank, ...]
    tau: float | None
    tau_interval: Interval | None
    cases: int
    bootstraps: int
    measures: tuple[str, ...]


def rank_entries(measures: Sequence[Measure], *, seed: int = 0, bootstraps: int = BOOTSTRAPS) -> Ranking:
    """Rank entries as the challenge does, and again for bootstraps over cases.

    For each case, structure and metric the rank of an entry is 1 + the number of entries that are
    strictly better; the mean of a case's ranks is its score; the mean over cases ranks the entries.

    Args:
        measures: Of the same entries.
        seed: Of the bootstraps.
        bootstraps: Their number.
    """
    entries = measures[0].entries
    case_scores = _case_scores(measures)
    scores = case_scores.mean(axis=0)
    ranks = _ranks(scores)
    draws = np.random.default_rng(seed).integers(len(case_scores), size=(bootstraps, len(case_scores)))
    drawn = np.stack([_ranks(case_scores[rows].mean(axis=0)) for rows in draws])
    taus = _taus(ranks, drawn)
    teams = [
        TeamRank(
            entry,
            int(ranks[index]),
            float(scores[index]),
            _middle(drawn[:, index], method="nearest"),
            float((drawn[:, index] == 1).mean()),
        )
        for index, entry in enumerate(entries)
    ]
    return Ranking(
        teams=tuple(sorted(teams, key=lambda team: (team.rank, entries.index(team.entry)))),
        tau=None if taus is None else float(taus.mean()),
        tau_interval=None if taus is None else _middle(taus, method="linear"),
        cases=len(case_scores),
        bootstraps=bootstraps,
        measures=tuple(measure.name for measure in measures),
    )


def _case_scores(measures: Sequence[Measure]) -> NDArray[np.float64]:
    """Mean rank of every entry in every case, shape ``(cases, entries)``."""
    cases = list(dict.fromkeys(case for measure in measures for case in measure.scores.index))
    ranks = np.full((len(measures), len(cases), len(measures[0].entries)), np.nan)
    for number, measure in enumerate(measures):
        rows = [cases.index(case) for case in measure.scores.index]
        values = measure.scores.to_numpy(np.float64)
        ranks[number, rows] = _ranks(-values if measure.metric.higher_is_better else values)
    return np.asarray(np.nanmean(ranks, axis=0))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 + the number of strictly lower values along the last axis."""
    from scipy.stats import rankdata

    # Sums in another order differ in the last digit; that must not break a tie.
    return np.asarray(rankdata(np.round(values, 12), method="min", axis=-1), np.float64)


def _taus(full: NDArray[np.float64], drawn: NDArray[np.float64]) -> NDArray[np.float64] | None:
    from scipy.stats import kendalltau

    if len(np.unique(full)) < 2:
        return None
    # A bootstrap in which all tie has no order that could agree.
    taus = [kendalltau(full, ranks).statistic if np.ptp(ranks) else 0.0 for ranks in drawn]
    return np.asarray(taus, np.float64)


def _middle(values: NDArray[np.float64], *, method: Literal["nearest", "linear"]) -> Interval:
    low, high = np.quantile(values, [0.025, 0.975], method=method)
    return Interval(float(low), float(high))
