"""Implicit shapes: how far a point lies outside of a surface, in mm; negative inside."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Points:
    """Places in millimetres: right, front and head are positive. All three have one shape."""

    x: Field
    y: Field
    z: Field

    def mirrored(self, side: int) -> Points:
        """The same places seen from the other half of the head if ``side`` is -1."""
        return self if side > 0 else Points(-self.x, self.y, self.z)

    def at(self, where: tuple[slice, slice, slice] | NDArray[np.bool_]) -> Points:
        """Some of the places: those of a block of the lattice, or of a mask."""
        return Points(self.x[where], self.y[where], self.z[where])


@dataclass(frozen=True, slots=True)
class Box:
    """Bounds in mm."""

    low: Vector
    high: Vector

    def holds(self, points: Points, margin: float) -> NDArray[np.bool_]:
        """Which places are inside, or within ``margin`` mm of it."""
        inside = np.ones(points.x.shape, dtype=np.bool_)
        for values, low, high in zip((points.x, points.y, points.z), self.low, self.high, strict=True):
            inside &= (values > low - margin) & (values < high + margin)
        return inside

    def mirrored(self, side: int) -> Box:
        """The box on the other half of the head if ``side`` is -1."""
        if side > 0:
            return self
        return Box((-self.high[0], *self.low[1:]), (-self.low[0], *self.high[1:]))


class Shape(Protocol):
    """A solid body."""

    @property
    def box(self) -> Box:
        """Bounds of the body."""
        ...

    def distance(self, points: Points) -> Field:
        """Signed distance to the surface in mm, exact near to it."""
        ...


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """An ellipsoid with axes along x, y and z.

    Attributes:
        centre: In mm.
        radii: Half axes in mm.
    """

    centre: Vector
    radii: Vector

    @property
    def box(self) -> Box:
        """Bounds of the body."""
        return _box(np.array([self.centre]), np.array(self.radii))

    def distance(self, points: Points) -> Field:
        """Signed distance, to first order."""
        (cx, cy, cz), (rx, ry, rz) = self.centre, self.radii
        u, v, w = (points.x - cx) / rx, (points.y - cy) / ry, (points.z - cz) / rz
        level = np.sqrt(u * u + v * v + w * w)
        slope = np.sqrt((u / rx) ** 2 + (v / ry) ** 2 + (w / rz) ** 2)
        # In the very centre both vanish; the inner radius bounds the quotient there.
        return np.where(level > 1e-3, level * (level - 1) / np.maximum(slope, 1e-6), -min(self.radii))


@dataclass(frozen=True, slots=True)
class Tube:
    """A chain of straight round segments, such as a vessel or a canal.

    Attributes:
        course: Points of the axis in mm, two or more.
        radii: Radius in mm at each point.
    """

    course: tuple[Vector, ...]
    radii: tuple[float, ...]

    @property
    def box(self) -> Box:
        """Bounds of the body."""
        return _box(np.array(self.course), max(self.radii))

    def distance(self, points: Points) -> Field:
        """Distance to the nearest segment's axis, less the radius there."""
        ends = zip(self.course[:-1], self.course[1:], self.radii[:-1], self.radii[1:], strict=True)
        return reduce(np.minimum, (_segment(points, *end) for end in ends))


@dataclass(frozen=True, slots=True)
class Ring:
    """A torus.

    Attributes:
        centre: In mm.
        axis: Direction that the ring turns about, of length 1.
        radius: Of the ring's middle line in mm.
        thickness: Radius of the tube in mm.
    """

    centre: Vector
    axis: Vector
    radius: float
    thickness: float

    @property
    def box(self) -> Box:
        """Bounds of the body."""
        return _box(np.array([self.centre]), self.radius + self.thickness)

    def distance(self, points: Points) -> Field:
        """Signed distance."""
        (cx, cy, cz), (ax, ay, az) = self.centre, self.axis
        px, py, pz = points.x - cx, points.y - cy, points.z - cz
        height = px * ax + py * ay + pz * az
        across = np.sqrt(np.maximum(px * px + py * py + pz * pz - height * height, 0))
        return np.hypot(across - self.radius, height) - self.thickness


def _segment(points: Points, start: Vector, stop: Vector, first: float, last: float) -> Field:
    (ax, ay, az), (bx, by, bz) = start, stop
    dx, dy, dz = bx - ax, by - ay, bz - az
    length = dx * dx + dy * dy + dz * dz
    px, py, pz = points.x - ax, points.y - ay, points.z - az
    share = np.clip((px * dx + py * dy + pz * dz) / length, 0, 1)
    px, py, pz = px - share * dx, py - share * dy, pz - share * dz
    return np.sqrt(px * px + py * py + pz * pz) - (first + share * (last - first))


def _box(points: NDArray[np.float64], margin: NDArray[np.float64] | float) -> Box:
    low, high = points.min(0) - margin, points.max(0) + margin
    return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def smooth_union(first: Field, second: Field, width: float) -> Field:
    """Join two bodies with a fillet of about ``width`` mm."""
    blend = np.clip(0.5 + 0.5 * (second - first) / width, 0, 1)
    return second + (first - second) * blend - width * blend * (1 - blend)


def gyroid(points: Points, wavelength: float, phase: float = 0.0) -> Field:
    """A smooth triply periodic pattern in [-1.5, 1.5]: gyri, air cells, texture."""
    k = np.float32(2 * np.pi / wavelength)
    x, y, z = k * points.x + np.float32(phase), k * points.y, k * points.z
    return np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x)
