"""The inner ear of the right side: internal auditory canal, cochlea, vestibule, semicircular canals."""

from __future__ import annotations

import math

import numpy as np

from cmda_core.datasets.phantom.shapes import Ellipsoid, Ring, Tube, Vector
from cmda_core.volumes.geometry import Matrix

PORUS: Vector = (23.0, 2.5, 0.0)
FUNDUS: Vector = (33.0, 4.5, 0.5)
CANAL = Tube((PORUS, FUNDUS), (2.7, 1.7))
"""Length 10 mm, 3.4 to 5.4 mm wide."""

CANAL_MOUTH = Tube(((20.0, 0.5, 0.0), PORUS), (4.4, 2.7))
"""The flared opening of the canal into the cistern."""

NERVES = tuple(
    Tube(
        ((12.5, 0.5, rise - 2.0), (23.0, 2.5 + shift, rise), (32.0, 4.4 + shift, rise + 0.4)),
        (0.6, 0.6, 0.6),
    )
    for shift, rise in ((1.0, 0.9), (-0.9, -0.7))
)
"""The facial nerve, and the vestibulocochlear one behind and below it."""

COCHLEA_BASE: Vector = (35.2, 7.2, -0.4)
COCHLEA_AXIS: Vector = (0.60, 0.75, -0.28)
TURNS = 2.5

VESTIBULE = Ellipsoid((37.2, 1.2, 0.3), (1.7, 2.5, 2.2))


def cochlear_duct(samples: int = 36) -> Tube:
    """The coiled duct: two and a half turns that narrow and rise along the axis by 3 mm, about 64 mm³.

    With its walls the coil is 7 mm wide and 5 mm high.
    """
    axis, first, second = _frame(COCHLEA_AXIS)
    share = np.linspace(0, 1, samples)
    angle = 2 * math.pi * TURNS * share
    coil = 2.5 * (1 - share) + 0.6 * share
    course = (
        np.array(COCHLEA_BASE)
        + np.outer(coil * np.cos(angle), first)
        + np.outer(coil * np.sin(angle), second)
        + np.outer(1.0 + 3.0 * share, axis)
    )
    return Tube(tuple(_vector(point) for point in course), tuple((1.1 - 0.45 * share).tolist()))


def cochlea() -> Tube:
    """The bony dome: together with the duct what is annotated as the cochlea, about 96 mm³."""
    axis, _, _ = _frame(COCHLEA_AXIS)
    base = np.array(COCHLEA_BASE)
    return Tube((_vector(base + 1.4 * axis), _vector(base + 3.3 * axis)), (2.6, 1.6))


def semicircular_canals() -> tuple[Ring, ...]:
    """Superior, posterior and lateral canal: rings of 0.6 mm radius, nearly square to each other."""
    vestibule = np.array(VESTIBULE.centre)
    rings = (
        ((2.0, 0.4, 3.4), (0.7, 0.7, 0.0), 3.2),
        ((2.6, -3.6, -0.4), (0.7, -0.7, 0.0), 3.1),
        ((3.4, -1.6, 0.3), (0.0, -0.4, 1.0), 2.8),
    )
    return tuple(
        Ring(_vector(vestibule + np.array(offset)), _vector(_frame(axis)[0]), radius, 0.6)
        for offset, axis, radius in rings
    )


def _frame(axis: Vector) -> tuple[Matrix, Matrix, Matrix]:
    """Three directions of length 1, square to each other; the first is the axis."""
    along = np.array(axis) / np.linalg.norm(axis)
    aside = np.cross(along, (0.0, 1.0, 0.0))
    first = aside / np.linalg.norm(aside)
    return along, first, np.cross(along, first)


def _vector(values: Matrix) -> Vector:
    x, y, z = values.tolist()
    return x, y, z
