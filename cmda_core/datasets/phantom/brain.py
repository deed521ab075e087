"""Brainstem, cerebellum, ventricles and temporal lobes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from cmda_core.datasets.phantom.shapes import Box, Ellipsoid, Field, Points, Tube, gyroid, smooth_union

PEDUNCLE = Tube(((11.0, 1.0, -1.0), (24.0, -20.0, -6.0)), (7.0, 8.5))
FOURTH_VENTRICLE = Ellipsoid((0.0, -11.5, -2.0), (6.0, 4.5, 10.0))
RECESS = Tube(((4.0, -11.0, -5.0), (13.0, -9.0, -6.0)), (2.2, 1.2))
CHOROID = Tube(((2.0, -13.0, -6.0), (10.0, -10.5, -6.5)), (0.9, 0.7))
AQUEDUCT = Tube(((0.0, -9.5, 6.0), (0.0, -7.5, 26.0)), (1.8, 1.0))
HEMISPHERE = Ellipsoid((24.0, -36.0, -7.0), (26.5, 27.0, 27.0))
VERMIS = Ellipsoid((0.0, -37.0, -2.0), (13.0, 23.0, 26.0))
FLOCCULUS = Ellipsoid((20.0, -9.5, -6.0), (4.0, 3.5, 3.5))
TEMPORAL_LOBE = Ellipsoid((43.0, 18.0, 11.0), (19.5, 32.0, 19.0))
CEREBRUM = Ellipsoid((0.0, -6.0, 38.0), (64.5, 82.0, 60.0))
TEMPORAL_HORN = Tube(((32.0, 22.0, 8.0), (36.0, 2.0, 10.0), (32.0, -18.0, 20.0)), (1.6, 1.8, 2.5))
TENTORIUM_HEIGHT = 11.0
"""Where the tentorium leaves the skull, mm above the canals; it rises to the midline."""


@dataclass(frozen=True, slots=True)
class Brainstem:
    """Midbrain, pons and medulla.

    Attributes:
        breadth: Relative width of the pons; 1 is 28 mm.
    """

    breadth: float

    @property
    def pons(self) -> Ellipsoid:
        """The belly of the pons."""
        return Ellipsoid((0.0, 2.5, 0.0), (14.0 * self.breadth, 11.5, 13.5))

    @property
    def medulla(self) -> Tube:
        """From the pons down into the spinal canal."""
        return Tube(((0.0, -1.5, -8.0), (0.0, -5.0, -30.0), (0.0, -11.0, -60.0)), (8.5, 6.8, 5.5))

    @property
    def midbrain(self) -> Ellipsoid:
        """With the cerebral peduncles."""
        return Ellipsoid((0.0, 1.0, 18.0), (15.0 * self.breadth, 11.0, 13.0))

    def distance(self, points: Points) -> Field:
        """Signed distance in mm to the surface of the whole brainstem."""
        stem = smooth_union(self.pons.distance(points), self.medulla.distance(points), 3.0)
        return smooth_union(stem, self.midbrain.distance(points), 3.0)


def cerebellum(points: Points) -> Field:
    """Signed distance to the hull of both hemispheres and the vermis, without the fissures."""
    halves = np.minimum(HEMISPHERE.distance(points), HEMISPHERE.distance(points.mirrored(-1)))
    hull = smooth_union(halves, VERMIS.distance(points), 4.0)
    below = points.z - TENTORIUM_HEIGHT - 16 * np.exp(-((points.x / 24) ** 2))
    return np.maximum(hull, below)


def folia(points: Points) -> Field:
    """Signed distance to the cerebellum with its fissures, which close 6 mm below the surface."""
    hull = cerebellum(points)
    return np.maximum(hull, np.minimum(-cerebellar_fissures(points), hull + 6.0))


def cerebellar_fissures(points: Points) -> Field:
    """Signed distance to the thin fissures between the folia, curved parallel to the back."""
    radius = np.sqrt(points.x**2 * 0.8 + (points.y + 4) ** 2)
    slope = np.arctan2(points.z + 4, radius)
    wave = np.cos(34 * slope + 0.12 * radius + 0.8 * gyroid(points, 31.0))
    return (0.72 - wave) * 2.6


def cerebellar_white_matter(points: Points) -> Field:
    """Signed distance to the arbor vitae: a core that sends branches between the folia."""
    radius = np.sqrt(points.x**2 * 0.8 + (points.y + 4) ** 2)
    slope = np.arctan2(points.z + 4, radius)
    branches = np.cos(13 * slope + 0.6 * gyroid(points, 40.0))
    core = Ellipsoid((18.0, -29.0, -11.0), (16.0, 14.0, 10.0))
    halves = np.minimum(core.distance(points), core.distance(points.mirrored(-1)))
    return np.maximum(halves - 4.5 * np.maximum(branches, 0), cerebellum(points) + 2.5)


def tentorium(points: Points) -> Field:
    """Height of the tentorium in mm: highest in the midline, falling to the petrous ridge in front."""
    falling = TENTORIUM_HEIGHT - 1.2 * np.maximum(points.y + 10, 0)
    return falling + 18 * np.exp(-((points.x / 24) ** 2))


def tentorial_sheet(points: Points) -> Field:
    """Signed distance to the tentorium, a sheet of 1.2 mm with a notch for the midbrain."""
    sheet = np.abs(points.z - tentorium(points)) - 0.6
    notch = 18.0 - np.sqrt(points.x**2 + (0.6 * points.y) ** 2)
    return np.maximum(np.maximum(sheet, notch), points.y + 6.0)


def cerebrum(points: Points) -> Field:
    """Signed distance to the temporal lobes and the hemispheres above, with their sulci."""
    lobes = (TEMPORAL_LOBE.distance(points), TEMPORAL_LOBE.distance(points.mirrored(-1)))
    upper = np.maximum(CEREBRUM.distance(points), 9.0 - points.z)
    hull = reduce(np.minimum, (*lobes, upper))
    above = tentorium(points) + 1.8 - points.z
    cisterns = 16.0 - np.sqrt(points.x**2 + (0.8 * points.y) ** 2)
    basal = np.where(points.z < 34, cisterns, np.float32(-50))
    sulci = 2.4 * np.maximum(gyroid(points, 19.0, 0.7) - 0.35, 0)
    return reduce(np.maximum, (hull + sulci, above, basal))


STEM_BOX = Box((-17, -18, -65), (17, 16, 33))
HINDBRAIN_BOX = Box((-55, -66, -65), (55, 18, 35))
CEREBRUM_BOX = Box((-70, -92, -14), (70, 80, 95))
