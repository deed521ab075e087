"""Folds of a cross-validation, by subject."""

from __future__ import annotations

import numpy as np

from cmda_core.errors import DataError
from cmda_core.schema import Cohort


def subjects_of(cohort: Cohort, count: int) -> list[str]:
    """The subjects of a cohort that is to be split into so many folds.

    Raises:
        DataError: If there are fewer subjects than folds.
    """
    subjects = sorted({case.subject for case in cohort})
    if len(subjects) < count:
        raise DataError(
            f"cohort {cohort.name!r}: {len(subjects)} subjects cannot be split into {count} folds. "
            "Set segmenter.fold_count to fewer, or segmenter.folds to 'all'."
        )
    return subjects


def split_subjects(cohort: Cohort, count: int) -> list[tuple[list[str], list[str]]]:
    """Training and validation cases of each fold; all cases of a subject are on one side.

    Subjects are shuffled by a fixed seed, as nnU-Net does, so that folds do not depend on the run.

    Raises:
        DataError: If there are fewer subjects than folds.
    """
    subjects = subjects_of(cohort, count)
    shuffled = np.random.default_rng(12345).permutation(np.array(subjects, dtype=object))
    parts = [set(shuffled[index::count]) for index in range(count)]
    return [
        (
            [case.id for case in cohort if case.subject not in part],
            [case.id for case in cohort if case.subject in part],
        )
        for part in parts
    ]
