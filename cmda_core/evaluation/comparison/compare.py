"""Compares entries: what each reaches, how it differs from the baseline, and who is first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cmda_core.errors import DataError
from cmda_core.evaluation.comparison.intervals import Interval, bootstrap_interval
from cmda_core.evaluation.comparison.measures import Measure, mean
from cmda_core.evaluation.comparison.paired import holm, rank_biserial, wilcoxon_p
from cmda_core.evaluation.comparison.ranking import Ranking, rank_entries
from cmda_core.evaluation.segmentation import ASSD, DICE, Metric

RANKED = (DICE, ASSD)
"""The metrics that the challenge ranks by."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an entry reaches in one measure.

    Attributes:
        entry: Its name.
        subject: Structure, or ``koos``.
        metric: What was measured.
        cases: Number of cases.
        seeds: Number of seeds; the scores of a case are averaged over them.
        mean: Mean over cases.
        sd: Standard deviation over cases (n - 1); none for a single case.
        interval: Bootstrap interval of the mean over cases.
        seed_sd: Standard deviation of the means of the seeds (n - 1); none for a single seed.
    """

    entry: str
    subject: str
    metric: Metric
    cases: int
    seeds: int
    mean: float
    sd: float | None
    interval: Interval | None
    seed_sd: float | None


@dataclass(frozen=True, slots=True)
class Contrast:
    """How an entry differs from the baseline in one measure, case by case.

    Attributes:
        entry: Its name.
        subject: Structure, or ``koos``.
        metric: What was measured.
        difference: Mean of entry minus baseline, in the unit of the metric.
        interval: Bootstrap interval of it over cases.
        p: Wilcoxon's signed-rank test, two-sided.
        p_holm: The same, adjusted for all tests of the comparison.
        effect: Rank-biserial correlation; positive where the entry is better than the baseline.
    """

    entry: str
    subject: str
    metric: Metric
    difference: float
    interval: Interval | None
    p: float
    p_holm: float
    effect: float


@dataclass(frozen=True, slots=True)
class Failure:
    """An entry, or one of its seeds, that has no scores.

    Attributes:
        entry: Its name.
        seed: The seed that failed.
        reason: What went wrong.
    """

    entry: str
    seed: int
    reason: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that is said about the entries of a table of scores.

    Attributes:
        name: Of the benchmark or the file.
        entries: In the order of the tables.
        baseline: Entry that the others are tested against, if any.
        estimates: By measure, then by entry.
        contrasts: The same without the baseline.
        ranking: The challenge's, if segmentations of two or more entries were compared.
        failures: What has no scores.
        left_out: Cases without a score, by measure.
    """

    name: str
    entries: tuple[str, ...]
    baseline: str | None
    estimates: tuple[Estimate, ...]
    contrasts: tuple[Contrast, ...]
    ranking: Ranking | None
    failures: tuple[Failure, ...] = ()
    left_out: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def estimate(self, entry: str, subject: str, metric: str) -> Estimate | None:
        """The estimate of an entry in a measure; none if the entry failed."""
        for one in self.estimates:
            if (one.entry, one.subject, one.metric.name) == (entry, subject, metric):
                return one
        return None


def compare(
    measures: Sequence[Measure],
    *,
    name: str,
    baseline: str | None = None,
    entries: Sequence[str] | None = None,
    failures: Sequence[Failure] = (),
    seed: int = 0,
) -> Comparison:
    """Compute all statistics of a comparison; the same input gives the same numbers.

    Args:
        measures: Of the same entries.
        name: Shown above the tables.
        baseline: Entry to test the others against; without one nothing is tested.
        entries: All entries with those that failed, in the order to show them.
        failures: What has no scores.
        seed: Of the bootstraps.

    Raises:
        DataError: If the baseline is no entry, or no case can be compared.
    """
    shown = tuple(entries or (measures[0].entries if measures else ()))
    if baseline is not None and baseline not in shown:
        raise DataError(f"baseline: no entry named {baseline!r}. There are: {', '.join(shown)}.")
    for measure in measures:
        if measure.scores.empty:
            raise DataError(f"{measure.subject}: no case has a {measure.metric.title} of every entry.")
    ranked = [measure for measure in measures if measure.metric in RANKED]
    return Comparison(
        name=name,
        entries=shown,
        baseline=baseline,
        estimates=tuple(_estimate(one, entry, seed) for one in measures for entry in one.entries),
        contrasts=_contrasts(measures, baseline, seed),
        ranking=rank_entries(ranked, seed=seed) if ranked and len(ranked[0].entries) > 1 else None,
        failures=tuple(failures),
        left_out=tuple((one.name, one.left_out) for one in measures if one.left_out),
    )


def _estimate(measure: Measure, entry: str, seed: int) -> Estimate:
    values = measure.values(entry)
    seeds = measure.by_seed[entry].dropna().to_numpy(np.float64)
    return Estimate(
        entry,
        measure.subject,
        measure.metric,
        cases=len(values),
        seeds=len(seeds),
        mean=float(mean(values, measure.groups)),
        sd=float(values.std(ddof=1)) if len(values) > 1 else None,
        interval=bootstrap_interval(values, measure.groups, seed=seed),
        seed_sd=float(seeds.std(ddof=1)) if len(seeds) > 1 else None,
    )


def _contrasts(measures: Sequence[Measure], baseline: str | None, seed: int) -> tuple[Contrast, ...]:
    if baseline is None:
        return ()
    found = [
        _contrast(measure, entry, baseline, seed)
        for measure in measures
        if baseline in measure.entries
        for entry in measure.entries
        if entry != baseline
    ]
    adjusted = holm([one.p for one in found])
    return tuple(replace(one, p_holm=p) for one, p in zip(found, adjusted, strict=True))


def _contrast(measure: Measure, entry: str, baseline: str, seed: int) -> Contrast:
    differences = measure.values(entry) - measure.values(baseline)
    better = differences if measure.metric.higher_is_better else -differences
    p = wilcoxon_p(differences)
    return Contrast(
        entry,
        measure.subject,
        measure.metric,
        difference=float(mean(differences, measure.groups)),
        interval=bootstrap_interval(differences, measure.groups, seed=seed),
        p=p,
        p_holm=p,
        effect=rank_biserial(better),
    )
