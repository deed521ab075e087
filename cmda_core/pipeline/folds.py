"""Deals subjects out to folds for cross-validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cmda_core.protocols import GradingCase

_SHUFFLE = 17
"""Tells this shuffle apart from others with the same seed."""


def deal_subjects(annotated: Sequence[GradingCase], folds: int, seed: int) -> dict[str, int]:
    """The fold that each subject is graded in, every grade spread over the folds as evenly as it goes.

    Args:
        annotated: Cases with a grade; a subject with several counts as one of its lowest grade.
        folds: How many; fewer if there are fewer subjects.
        seed: Of the order in which the subjects of a grade are dealt.
    """
    grades: dict[str, int] = {}
    for case in annotated:
        grade = case.grade or 0
        grades[case.subject] = min(grade, grades.get(case.subject, grade))
    dealt: list[str] = []
    for grade in sorted(set(grades.values())):
        subjects = [subject for subject, own in grades.items() if own == grade]
        order = np.random.default_rng([seed, _SHUFFLE, grade]).permutation(len(subjects))
        dealt += [subjects[index] for index in order]
    # Dealt on from one grade to the next, so that no fold gets the odd subject of every grade.
    count = min(folds, len(dealt))
    return {subject: position % count for position, subject in enumerate(dealt)}
