"""Registers a scan again from other starts, where the usual one has led to a poor alignment."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from cmda_core.errors import DataError
from cmda_core.volumes import Volume
from cmda_core.volumes.geometry import Matrix
from cmda_crossmoda.config import Metric, RegistrationConfig
from cmda_crossmoda.itk import itk_threads, matrix_of
from cmda_crossmoda.registration import (
    Alignment,
    Pair,
    Registration,
    align,
    begin,
    centred,
    centred_by_mass,
    pair_of,
    quality_of,
    reduced,
    registration_from,
    used_stages,
)

SAME_MM = 8.0
"""Two coarse alignments that differ by less than this lead to the same end."""

SHIFT_MM = 30.0
"""Shift of a start along an axis, mm."""

REACH_MM = 60.0
"""Distance from the middle of the head at which alignments are told apart, mm."""


def register_again(
    atlas: Volume, scan: Volume, metric: Metric, config: RegistrationConfig, first: Registration | None
) -> Registration:
    """Try other starts at the coarsest stage, follow up the best ones, and keep the best of all.

    Alignments are ranked by the agreement of the images at the same resolution; one with too little
    overlap comes last, because the images agree easily where they hardly meet.

    Args:
        atlas: As in ``register``.
        scan: As in ``register``.
        metric: What the optimiser follows.
        config: Stages, and which starts to try.
        first: What the usual start has led to, if anything.

    Raises:
        DataError: If no start leads anywhere.
    """
    with itk_threads(config.threads):
        pair = pair_of(atlas, scan, config)
        coarse, *finer = used_stages(config)
        found = [] if first is None else [first]
        small = reduced(pair, coarse.resolution_mm)
        for start in _best(small, list(_coarse(small, metric, config)), config, coarse.resolution_mm):
            try:
                found.append(registration_from(pair, align(pair, finer, start, metric, config)))
            except RuntimeError:  # this start has led the images away from each other; another one may not
                continue
    if not found:
        raise DataError(
            f"case {scan.case}: cannot be registered to the atlas {atlas.case} from any start. "
            "Look at both scans: do they show the same part of the head?"
        )
    best = max(found, key=lambda one: _rank(one, config))
    return best.model_copy(update={"retried": True})


def turns(degrees: float, *, half_turns: bool) -> list[Matrix]:
    """Rotations to begin with: none, about every axis and diagonal, and heads that lie the other way round.

    Args:
        degrees: Angle of the small turns.
        half_turns: Whether to turn by 180 degrees about each axis as well, as if the header named the
            wrong orientation.
    """
    directions = [np.array(direction) for direction in product((-1, 0, 1), repeat=3) if any(direction)]
    single = [direction for direction in directions if np.abs(direction).sum() in (1, 3)]
    vectors = [np.zeros(3)]
    vectors += [np.deg2rad(degrees) * direction / np.linalg.norm(direction) for direction in single]
    vectors += [np.pi * axis for axis in np.eye(3)] if half_turns else []
    return [Rotation.from_rotvec(vector).as_matrix() for vector in vectors]


def _starts(pair: Pair, config: RegistrationConfig) -> Iterator[sitk.Euler3DTransform]:
    centre = centred(pair)
    for turn in turns(config.retry.turn_degrees, half_turns=config.retry.half_turns):
        start = sitk.Euler3DTransform(centre)
        start.SetMatrix(turn.ravel().tolist())
        yield start
    yield from _by_mass(pair)
    for axis, sign in product(range(3), (-1, 1)):
        start = sitk.Euler3DTransform(centre)
        shift = np.array(start.GetTranslation())
        shift[axis] += sign * SHIFT_MM
        start.SetTranslation(shift.tolist())
        yield start


def _by_mass(pair: Pair) -> list[sitk.Euler3DTransform]:
    try:
        return [centred_by_mass(pair)]
    except RuntimeError:  # an image without mass
        return []


def _coarse(pair: Pair, metric: Metric, config: RegistrationConfig) -> Iterator[Alignment]:
    for start in _starts(pair, config):
        try:
            yield align(pair, used_stages(config)[:1], begin(start), metric, config)
        except RuntimeError:  # images that do not overlap from this start
            continue


def _best(
    pair: Pair, coarse: list[Alignment], config: RegistrationConfig, resolution_mm: float
) -> list[Alignment]:
    measured = [(quality_of(pair, one.transform, resolution_mm), one) for one in coarse]
    enough = config.trust.smallest_overlap
    measured.sort(key=lambda item: (item[0].overlap >= enough, item[0].agreement), reverse=True)
    chosen: list[Alignment] = []
    for _, one in measured:
        if all(_distance(one, other) > SAME_MM for other in chosen):
            chosen.append(one)
    return chosen[: config.retry.followed]


def _distance(one: Alignment, other: Alignment) -> float:
    first, second = matrix_of(one.transform), matrix_of(other.transform)
    points = np.concatenate([REACH_MM * np.eye(3), -REACH_MM * np.eye(3)])
    moved = points @ (first - second)[:3, :3].T + (first - second)[:3, 3]
    return float(np.linalg.norm(moved, axis=1).max())


def _rank(registration: Registration, config: RegistrationConfig) -> tuple[bool, float]:
    quality = registration.quality
    return quality.overlap >= config.trust.smallest_overlap, quality.agreement
