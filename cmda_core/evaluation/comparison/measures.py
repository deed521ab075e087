"""What is compared: one metric of one structure (or of the grade), for every case and entry.

A case is one observation, however many seeds an entry was trained with: the scores of its seeds
are averaged first. Only cases that every entry has a score of are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cmda_core.errors import DataError
from cmda_core.evaluation.segmentation import Metric
from cmda_core.koos import GRADES

MA_MAE = Metric("ma_mae", "MA-MAE", "", higher_is_better=False, miss=3.0)
MAMSE = Metric("mamse", "MAMSE", "", higher_is_better=False, miss=9.0)
ACCURACY = Metric("accuracy", "accuracy", "", higher_is_better=True, miss=0.0)
GRADING_METRICS = (MA_MAE, MAMSE, ACCURACY)
"""Metrics of grades that are a mean over cases, or over the cases of each true grade."""

KOOS = "koos"
"""What takes the place of a structure where grades are compared."""

_MACRO = {MA_MAE.name, MAMSE.name}


@dataclass(frozen=True, eq=False)
class Measure:
    """Comparable scores.

    Attributes:
        subject: Structure, or ``koos``.
        metric: What the scores mean.
        scores: One row per case, one column per entry; averaged over seeds, without gaps.
        by_seed: Mean over the cases; one row per seed, one column per entry, gaps where an entry
            has no such seed.
        groups: True grade of each case if the mean is that over grades; empty for a plain mean.
        left_out: Cases without a score.
    """

    subject: str
    metric: Metric
    scores: pd.DataFrame
    by_seed: pd.DataFrame
    groups: NDArray[np.int64] | None = None
    left_out: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Such as ``vs dice``."""
        return f"{self.subject} {self.metric.name}"

    @property
    def entries(self) -> list[str]:
        """Names, in the order of the table."""
        return [str(name) for name in self.scores.columns]

    def values(self, entry: str) -> NDArray[np.float64]:
        """Score of each case, shape ``(cases,)``."""
        return self.scores[entry].to_numpy(np.float64)


def mean(values: NDArray[np.float64], groups: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Mean over the last axis; with groups the mean of the means of the grades that occur.

    Args:
        values: Shape ``(..., cases)``.
        groups: Grades 1 to 4, of the same shape.
    """
    if groups is None:
        return np.asarray(values.mean(axis=-1))
    total, present = np.zeros(values.shape[:-1]), np.zeros(values.shape[:-1])
    for grade in GRADES:
        members = groups == grade
        count = members.sum(axis=-1)
        total += np.where(count > 0, (values * members).sum(axis=-1) / np.maximum(count, 1), 0.0)
        present += count > 0
    return np.asarray(total / present)


def segmentation_measures(per_case: pd.DataFrame, metrics: Sequence[Metric]) -> list[Measure]:
    """Measures of a checked table of scores, structure by structure.

    Args:
        per_case: Columns ``entry, seed, case, structure`` and the metrics; see `read_scores`.
        metrics: Those to compare.
    """
    return [
        _measure(rows, str(structure), metric)
        for structure, rows in per_case.groupby("structure", sort=False)
        for metric in metrics
    ]


def grading_measures(grades: pd.DataFrame, metrics: Sequence[Metric]) -> list[Measure]:
    """Measures of a table of grades; cases without a true grade are left out.

    Args:
        grades: Columns ``entry, seed, case, reference, predicted``.
        metrics: Out of ``GRADING_METRICS``.

    Raises:
        DataError: If no case has a true grade.
    """
    graded = grades.dropna(subset=["reference"])
    if graded.empty:
        raise DataError("grading: no case has a true Koos grade to compare with.")
    error = (graded["predicted"].astype(int) - graded["reference"].astype(int)).abs().astype(float)
    rows = graded.assign(ma_mae=error, mamse=error**2, accuracy=(error == 0).astype(float))
    truth = rows.drop_duplicates("case").set_index("case")["reference"].astype(int)
    return [_measure(rows, KOOS, metric, truth) for metric in metrics]


def translation_measures(translations: pd.DataFrame, metrics: Sequence[Metric]) -> list[Measure]:
    """Measures of a table of scored translations: the whole crop, then the structures.

    Args:
        translations: Columns ``entry, seed, case, structure`` and the metrics.
        metrics: Out of ``TRANSLATION_METRICS``; the similarity is that of the whole crop alone.
    """
    return [
        _measure(rows, str(structure), metric)
        for structure, rows in translations.groupby("structure", sort=False)
        for metric in metrics
        if rows[metric.name].notna().any()
    ]


def _measure(
    rows: pd.DataFrame, subject: str, metric: Metric, truth: pd.Series[int] | None = None
) -> Measure:
    column = metric.name
    entries, cases = list(rows["entry"].unique()), list(rows["case"].unique())
    wide = rows.pivot(index=["seed", "case"], columns="entry", values=column)[entries]
    # A seed that an entry lacks is a gap of all its cases; a case without reference one of all entries.
    gaps = rows.loc[rows[column].isna(), "case"].unique()
    left_out = tuple(str(case) for case in cases if case in set(gaps))
    kept = [case for case in cases if case not in set(gaps)]
    wide = wide.loc[wide.index.get_level_values("case").isin(kept)]
    scores = wide.groupby(level="case").mean().reindex(kept)
    groups = None
    if truth is not None and metric.name in _MACRO:
        groups = truth.loc[kept].to_numpy().astype(np.int64)
    means = {
        seed: mean(of_seed.droplevel("seed").reindex(kept).to_numpy(np.float64).T, _tiled(groups, entries))
        for seed, of_seed in wide.groupby(level="seed")
    }
    return Measure(subject, metric, scores, pd.DataFrame(means, index=entries).T, groups, left_out)


def _tiled(groups: NDArray[np.int64] | None, entries: Sequence[str]) -> NDArray[np.int64] | None:
    return None if groups is None else np.tile(groups, (len(entries), 1))
