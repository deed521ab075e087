"""The tumour: grows out of the canal until it has gone as far as its Koos grade asks for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from cmda_core.datasets.phantom.brain import Brainstem
from cmda_core.datasets.phantom.inner_ear import FUNDUS, PORUS
from cmda_core.datasets.phantom.shapes import (
    Box,
    Ellipsoid,
    Field,
    Points,
    Tube,
    Vector,
    gyroid,
    smooth_union,
)

OUTWARDS: Vector = (-0.94, -0.30, -0.12)
"""From the porus into the cistern, on the right side."""

REACH_MM = {2: (-3.5, -2.0), 3: (0.5, 1.3), 4: (6.0, 11.0)}
"""How far past the brainstem's resting surface a tumour of each grade has gone; negative: short of it."""

LARGEST_MM = 12.0
"""Largest radius of the part in the cistern along its axis, for tumours of up to about 12 cm³."""

DISPLACING_MM = 2.5
"""From this displacement of the brainstem on, a tumour is grade IV and no more grade III."""


@dataclass(frozen=True, slots=True)
class Tumour:
    """A tumour of the right canal, before the subject's side is chosen.

    Attributes:
        root: The part inside the canal.
        bulb: The part in the cistern; none in grade I.
        push: How far the brainstem gives way, in mm.
        cysts: Share of the interior that is cystic, from 0 to about 0.5.
        phase: Places the cysts and the lumps of the surface.
    """

    root: Tube
    bulb: Ellipsoid | None
    push: float
    cysts: float
    phase: float

    @property
    def box(self) -> Box:
        """Bounds in mm."""
        low, high = np.array(self.root.box.low), np.array(self.root.box.high)
        if self.bulb:
            low, high = np.minimum(low, self.bulb.box.low), np.maximum(high, self.bulb.box.high)
        return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))

    def distance(self, points: Points) -> Field:
        """Signed distance to the surface in mm."""
        root = self.root.distance(points)
        if self.bulb is None:
            return root
        return smooth_union(root, self.bulb.distance(points), 1.5)

    def cystic(self, points: Points) -> Field:
        """Signed distance to the cysts inside the bulb."""
        spread = 1.3 - 2.2 * self.cysts
        wall = self.distance(points) + 1.2
        return np.maximum(wall, 2.0 * (spread - gyroid(points, 13.0, self.phase)))

    def at_rest(self, points: Points) -> Points:
        """Where soft tissue that is now at ``points`` was before the tumour pushed it away.

        Everything gives way radially: by ``push`` at the tumour's surface, less and less beyond.
        """
        if self.bulb is None or self.push <= 0:
            return points
        (cx, cy, cz), (rx, ry, rz) = self.bulb.centre, self.bulb.radii
        dx, dy, dz = points.x - cx, points.y - cy, points.z - cz
        level = np.sqrt((dx / rx) ** 2 + (dy / ry) ** 2 + (dz / rz) ** 2)
        radius = np.sqrt(dx * dx + dy * dy + dz * dz)
        moved = self.push * np.where(level > 1, 1 / np.maximum(level, 1), level)
        share = moved / np.maximum(radius, 1e-3)
        return Points(points.x - share * dx, points.y - share * dy, points.z - share * dz)


def grow(grade: int, stem: Brainstem, random: np.random.Generator) -> Tumour:
    """Grow a tumour of a Koos grade beside a brainstem."""
    phase = float(random.uniform(0, 6.28))
    cysts = float(random.uniform(0.15, 0.4)) if grade > 2 and random.random() < 0.3 else 0.0
    if grade == 1:
        return Tumour(_root(random, float(random.uniform(0.0, 0.25))), None, 0.0, 0.0, phase)
    reach = float(random.uniform(*REACH_MM[grade]))
    bulb = _bulb(reach, stem, random)
    return Tumour(_root(random, 0.0), bulb, max(-gap(bulb, stem), 0.0), cysts, phase)


def _root(random: np.random.Generator, start: float) -> Tube:
    stop = float(random.uniform(0.75, 0.98))
    ends = tuple(_between(PORUS, FUNDUS, share) for share in (start, stop))
    return Tube(ends, (float(random.uniform(2.6, 3.0)), float(random.uniform(1.9, 2.3))))


def _bulb(reach: float, stem: Brainstem, random: np.random.Generator) -> Ellipsoid:
    tilt = np.array(OUTWARDS) + random.normal(0, 0.06, 3)
    outwards = tilt / np.linalg.norm(tilt)
    stretch = float(random.uniform(1.0, 1.2)), float(random.uniform(1.05, 1.3))

    def bulb(radius: float) -> Ellipsoid:
        x, y, z = (np.array(PORUS) + 0.62 * radius * outwards).tolist()
        return Ellipsoid((x, y, z), (radius, radius * stretch[0], radius * stretch[1]))

    reach = min(reach, -gap(bulb(LARGEST_MM), stem))
    return bulb(brentq(lambda radius: reach + gap(bulb(radius), stem), 1.0, LARGEST_MM, xtol=1e-3))


def gap(bulb: Ellipsoid, stem: Brainstem) -> float:
    """Smallest distance in mm from the bulb's surface to the brainstem; negative if they overlap."""
    turn = np.linspace(0, 2 * np.pi, 49)[:, None]
    tilt = np.linspace(0, np.pi, 25)[None, :]
    (cx, cy, cz), (rx, ry, rz) = bulb.centre, bulb.radii
    x = cx + rx * np.sin(tilt) * np.cos(turn)
    y = cy + ry * np.sin(tilt) * np.sin(turn)
    z = cz + rz * np.cos(tilt) * np.ones_like(turn)
    surface = (values.astype(np.float32) for values in (x, y, z))
    return float(stem.distance(Points(*surface)).min())


def koos_grade(tumour: Tumour, stem: Brainstem) -> int:
    """Grade of a tumour by its geometry: Koos et al., J Neurosurg 88:506 (1998)."""
    if tumour.bulb is None:
        return 1
    if gap(tumour.bulb, stem) > 0:
        return 2
    return 4 if tumour.push >= DISPLACING_MM else 3


def _between(start: Vector, stop: Vector, share: float) -> Vector:
    x, y, z = ((1 - share) * np.array(start) + share * np.array(stop)).tolist()
    return x, y, z
