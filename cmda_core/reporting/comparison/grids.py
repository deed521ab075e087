"""The tables of a comparison as rows of text, before any format."""

from __future__ import annotations

from dataclasses import dataclass

from cmda_core.evaluation.comparison import Comparison, Contrast, Estimate, Ranking
from cmda_core.evaluation.comparison.intervals import Interval
from cmda_core.evaluation.segmentation import Metric

LEVEL = 0.05
"""Adjusted p below which a difference is marked."""

MARK = "*"
NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of text.

    Attributes:
        title: Above it.
        columns: Names of the columns; the first holds names and the others numbers.
        rows: Cells, as many per row as there are columns.
        notes: Sentences below it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def comparison_grids(comparison: Comparison) -> list[Grid]:
    """The tables of a comparison: scores, spread over seeds, tests, ranking, failures."""
    grids = [_scores(comparison)] if comparison.estimates else []
    if any(one.seed_sd is not None for one in comparison.estimates):
        grids.append(_seeds(comparison))
    if comparison.contrasts:
        grids.append(_contrasts(comparison))
    if comparison.ranking is not None:
        grids.append(_ranking(comparison.ranking))
    if comparison.failures:
        rows = tuple((one.entry, str(one.seed), one.reason) for one in comparison.failures)
        grids.append(Grid("Failed", ("entry", "seed", "reason"), rows))
    return grids


def measure_title(subject: str, metric: Metric) -> str:
    """Such as ``vs ASSD mm ↓``."""
    arrow = "↑" if metric.higher_is_better else "↓"
    return " ".join(part for part in (subject, metric.title, metric.unit, arrow) if part)


def _scores(comparison: Comparison) -> Grid:
    measures = list(dict.fromkeys((one.subject, one.metric) for one in comparison.estimates))
    marked = {(c.entry, c.subject, c.metric) for c in comparison.contrasts if c.p_holm < LEVEL}
    scored = {one.entry for one in comparison.estimates}
    rows = []
    for entry in comparison.entries:
        without = NOTHING if entry in scored else "failed"  # such as the SSIM of what translates nothing
        cells = []
        for subject, metric in measures:
            estimate = comparison.estimate(entry, subject, metric.name)
            mark = MARK if (entry, subject, metric) in marked else ""
            cells.append(_estimate(estimate) + mark if estimate else without)
        rows.append((entry, *cells))
    columns = ("entry", *(measure_title(subject, metric) for subject, metric in measures))
    return Grid(comparison.name, columns, tuple(rows), tuple(_score_notes(comparison, marked=bool(marked))))


def _seeds(comparison: Comparison) -> Grid:
    measures = list(dict.fromkeys((one.subject, one.metric) for one in comparison.estimates))
    rows = []
    for entry in comparison.entries:
        found = [comparison.estimate(entry, subject, metric.name) for subject, metric in measures]
        spreads = [NOTHING if one is None or one.seed_sd is None else _number(one.seed_sd) for one in found]
        rows.append((entry, str(max((one.seeds for one in found if one), default=0)), *spreads))
    columns = ("entry", "seeds", *(measure_title(subject, metric) for subject, metric in measures))
    note = "Standard deviation (n - 1) of the means over cases: what another training would change."
    return Grid("Spread over seeds", columns, tuple(rows), (note,))


def _score_notes(comparison: Comparison, *, marked: bool) -> list[str]:
    cases = sorted({one.cases for one in comparison.estimates})
    seeds = sorted({one.seeds for one in comparison.estimates})
    notes = [
        f"Mean ± standard deviation over {_range(cases)} cases [bootstrap 95 % interval over cases, BCa]."
    ]
    if seeds != [1]:
        notes.append(f"The scores of a case are averaged over {_range(seeds)} seeds first.")
    if marked:
        notes.append(f"{MARK} differs from {comparison.baseline}: p < {LEVEL}, Wilcoxon, Holm-adjusted.")
    notes += [
        f"{measure}: {len(left)} cases have no reference and are left out ({', '.join(left[:3])}"
        f"{', ...' if len(left) > 3 else ''})."
        for measure, left in comparison.left_out
    ]
    return notes


def _contrasts(comparison: Comparison) -> Grid:
    rows = tuple(
        (
            one.entry,
            measure_title(one.subject, one.metric),
            _signed(one.difference) + _interval(one.interval, signed=True),
            _p(one.p),
            _p(one.p_holm),
            _signed(one.effect, 2),
        )
        for one in comparison.contrasts
    )
    columns = ("entry", "measure", "difference", "p", "p (Holm)", "rank-biserial")
    return Grid(f"Against {comparison.baseline}", columns, rows, tuple(_contrast_notes(comparison.contrasts)))


def _contrast_notes(contrasts: tuple[Contrast, ...]) -> list[str]:
    return [
        "Difference: mean of entry minus baseline [bootstrap 95 % interval over cases, BCa].",
        f"p: Wilcoxon's signed-rank test over cases, two-sided; adjusted for {len(contrasts)} tests. "
        "The test is cmda's, not the challenge's.",
        "Rank-biserial correlation: 1 if every case is better than with the baseline, -1 if all are worse.",
    ]


def _ranking(ranking: Ranking) -> Grid:
    rows = tuple(
        (
            team.entry,
            str(team.rank),
            f"{team.score:.3f}",
            f"{team.interval.low:.0f} to {team.interval.high:.0f}",
            f"{100 * team.first:.0f} %",
        )
        for team in ranking.teams
    )
    notes = [
        "Score: rank per case, structure and metric (1 + number of entries strictly better), averaged per "
        f"case and over {ranking.cases} cases, as crossMoDA ranks; from {', '.join(ranking.measures)}."
    ]
    if ranking.tau is not None:
        notes.append(
            f"Kendall's tau between this ranking and that of {ranking.bootstraps} bootstraps over cases: "
            f"{ranking.tau:.3f}{_interval(ranking.tau_interval)}."
        )
    return Grid("Ranking", ("entry", "rank", "score", "95 % of ranks", "first"), rows, tuple(notes))


def _estimate(one: Estimate) -> str:
    spread = "" if one.sd is None else f" ± {_number(one.sd)}"
    return _number(one.mean) + spread + _interval(one.interval)


def _interval(interval: Interval | None, *, signed: bool = False) -> str:
    if interval is None:
        return ""
    write = _signed if signed else _number
    return f" [{write(interval.low)}, {write(interval.high)}]"


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"


def _signed(value: float, digits: int = 3) -> str:
    return f"{value:+.{digits}f}"


def _p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def _range(numbers: list[int]) -> str:
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
