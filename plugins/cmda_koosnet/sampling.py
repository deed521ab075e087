"""Which subjects a training step sees. Every draw depends on the seed and the step alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cmda_core.protocols import GradingCase

Subjects = Mapping[int, GradingCase]
"""Cases by their position in the list of all that the features are numbered by."""

_POOLED, _STRATIFIED, _MIRROR, _FOLDS = range(4)


def pooled_batch(members: Sequence[int], size: int, step: int, seed: int) -> list[int]:
    """Different subjects in a random order that visits each of them once an epoch.

    The last batch of an epoch is filled up with the epoch's first subjects.

    Args:
        members: All subjects.
        size: Subjects in the batch; fewer if there are fewer.
        step: Number of the step.
        seed: Of all draws.
    """
    count = len(members)
    size = min(size, count)
    epoch, batch = divmod(step, epoch_steps(count, size))
    order = np.random.default_rng([seed, _POOLED, epoch]).permutation(count)
    return [members[int(order[(batch * size + position) % count])] for position in range(size)]


def stratified_batch(groups: Sequence[Sequence[int]], step: int, seed: int) -> list[int]:
    """One subject of each group; each group goes round in its own random order."""
    return [_turn(group, step, seed, number) for number, group in enumerate(groups)]


def _turn(group: Sequence[int], step: int, seed: int, number: int) -> int:
    turn, position = divmod(step, len(group))
    order = np.random.default_rng([seed, _STRATIFIED, number, turn]).permutation(len(group))
    return group[int(order[position])]


def mirror_draws(count: int, step: int, seed: int) -> list[bool]:
    """A fair coin for each subject of a step."""
    return np.random.default_rng([seed, _MIRROR, step]).integers(2, size=count).astype(bool).tolist()


def epoch_steps(count: int, size: int) -> int:
    """Steps of ``size`` subjects in a pass over ``count``, rounded up."""
    return -(-count // size)


def graded_groups(cases: Subjects) -> list[list[int]]:
    """Positions of the cases of each grade that occurs, in rising order of the grades."""
    grades = sorted({case.grade for case in cases.values() if case.grade is not None})
    return [[position for position, case in cases.items() if case.grade == grade] for grade in grades]


def ungraded_groups(cases: Subjects) -> list[list[int]]:
    """Positions of the ungraded cases of each real modality that occurs."""
    ungraded = [(position, case.real) for position, case in cases.items() if case.grade is None]
    kinds = sorted({real for _, real in ungraded})
    return [[position for position, real in ungraded if real == kind] for kind in kinds]


def without_fold(cases: Sequence[GradingCase], fold: int, folds: int, seed: int) -> Subjects:
    """The cases that one model of an ensemble is trained on.

    Args:
        cases: All subjects.
        fold: Which share of each grade's subjects to leave out, with all their scans, from 0.
        folds: Number of shares; with 1 all cases are kept. Subjects without a grade always are, and so is
            the only one of a grade, so that all models know the same grades.
        seed: Of the shares.
    """
    numbered = dict(enumerate(cases))
    if folds == 1:
        return numbered
    left_out: set[str] = set()
    dealt: set[str] = set()
    for number, group in enumerate(graded_groups(numbered)):
        # A subject with scans of several grades is dealt out once, among those of its lowest.
        people = list(dict.fromkeys(cases[i].subject for i in group if cases[i].subject not in dealt))
        dealt.update(people)
        if len(people) > 1:
            order = np.random.default_rng([seed, _FOLDS, number]).permutation(len(people))
            left_out.update(people[int(index)] for index in order[fold::folds])
    return {position: case for position, case in numbered.items() if case.subject not in left_out}
