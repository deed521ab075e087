"""Which subjects a training step sees. Every draw depends on the seed and the step alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cmda_core.protocols import GradingCase

_POOLED, _STRATIFIED, _MIRROR = range(3)


def pooled_batch(count: int, size: int, step: int, seed: int) -> list[int]:
    """Different subjects in a random order that visits each of them once an epoch.

    The last batch of an epoch is filled up with the epoch's first subjects.

    Args:
        count: Number of subjects.
        size: Subjects in the batch; fewer if there are fewer.
        step: Number of the step.
        seed: Of all draws.
    """
    size = min(size, count)
    epoch, batch = divmod(step, epoch_steps(count, size))
    order = np.random.default_rng([seed, _POOLED, epoch]).permutation(count)
    return [int(order[(batch * size + position) % count]) for position in range(size)]


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


def graded_groups(cases: Sequence[GradingCase]) -> list[list[int]]:
    """Positions of the cases of each grade that occurs, in rising order of the grades."""
    grades = sorted({case.grade for case in cases if case.grade is not None})
    return [[index for index, case in enumerate(cases) if case.grade == grade] for grade in grades]


def ungraded_groups(cases: Sequence[GradingCase]) -> list[list[int]]:
    """Positions of the ungraded cases of each real modality that occurs."""
    ungraded = [(index, case.real) for index, case in enumerate(cases) if case.grade is None]
    kinds = sorted({real for _, real in ungraded})
    return [[index for index, real in ungraded if real == kind] for kind in kinds]
