"""The inner ear of the right side: internal auditory canal, cochlea, vestibule, semicircular canals."""

from __future__ import annotations

import math

import numpy as np

from cmda_core.datasets.phantom.shapes import Ellipsoid, Tube, Vector

PORUS: Vector = (23.0, 2.5, 0.0)
FUNDUS: Vector = (33.0, 4.5, 0.5)
CANAL = Tube((PORUS, FUNDUS), (2.7, 1.7))
"""Length 10 mm, 3.4 to 5.4 mm wide."""

CANAL_MOUTH = Tube(((20.0, 0.5, 0.0), PORUS), (4.4, 2.7))
"""The flared opening of the canal into the cistern."""

NERVES = tuple(
    Tube(((12.5, 0.5, -2.0 + rise), (PORUS[0], PORUS[1] + shift, rise), (32.0, 4.4 + shift, 0.4 + rise)), (0.6,) * 3)
    for shift, rise in ((1.0, 0.9), (-0.9, -0.7))
)
"""The facial nerve, and the vestibulocochlear one behind and below it."""

COCHLEA_BASE: Vector = (35.2, 7.2, -0.4)
COCHLEA_AXIS: Vector = (0.60, 0.75, -0.28)
TURNS = 2.5

VESTIBULE = Ellipsoid((37.2, 1.2, 0.3), (1.7, 2.5, 2.2))


def cochlear_duct(samples: int = 22) -> Tube:
    """The coiled duct: two and a half turns that narrow and rise along the axis by 3.4 mm."""
    axis, first, second = _frame(COCHLEA_AXIS)
    share = np.linspace(0, 1, samples)
    angle = 2 * math.pi * TURNS * share
    coil = 3.0 * (1 - share) + 0.7 * share
    course = (
        np.array(COCHLEA_BASE)
        + np.outer(coil * np.cos(angle), first)
        + np.outer(coil * np.sin(angle), second)
        + np.outer(3.4 * share, axis)
    )
    return Tube(tuple((x, y, z) for x, y, z in course.tolist()), tuple((0.85 - 0.35 * share).tolist()))


def cochlea() -> Tube:
    """What is annotated as the cochlea: the bony dome about the duct, about 57 mm³."""
    axis, _, _ = _frame(COCHLEA_AXIS)
    base = np.array(COCHLEA_BASE)
    course = [tuple((base + height * axis).tolist()) for height in (0.9, 2.6)]
    return Tube(tuple((x, y, z) for x, y, z in course), (2.35, 1.45))


def semicircular_canals() -> tuple[Tube, ...]:
    """Superior, posterior and lateral canal: rings of 0.6 mm radius, nearly square to each other."""
    vestibule = np.array(VESTIBULE.centre)
    rings = (
        ((2.0, 0.4, 3.4), (0.7, 0.7, 0.0), 3.2),
        ((2.6, -3.6, -0.4), (0.7, -0.7, 0.0), 3.1),
        ((3.4, -1.6, 0.3), (0.0, -0.4, 1.0), 2.8),
    )
    return tuple(_ring(vestibule + np.array(offset), axis, radius) for offset, axis, radius in rings)


def _ring(centre: np.ndarray[tuple[int], np.dtype[np.float64]], axis: Vector, radius: float) -> Tube:
    _, first, second = _frame(axis)
    angle = np.linspace(0, 2 * math.pi, 13)
    course = centre + radius * (np.outer(np.cos(angle), first) + np.outer(np.sin(angle), second))
    return Tube(tuple((x, y, z) for x, y, z in course.tolist()), (0.6,) * len(angle))


def _frame(axis: Vector) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    along = np.array(axis) / np.linalg.norm(axis)
    first = np.cross(along, (0.0, 0.0, 1.0))
    first = np.array((1.0, 0.0, 0.0)) if np.linalg.norm(first) < 1e-6 else first / np.linalg.norm(first)
    return along, first, np.cross(along, first)
