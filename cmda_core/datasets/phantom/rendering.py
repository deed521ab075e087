"""Paints a subject on a grid: samples within each voxel, partial volume, labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from cmda_core.datasets.phantom.anatomy import SIDES, Layer, Subject, layers
from cmda_core.datasets.phantom.shapes import Box, Field, Points
from cmda_core.datasets.phantom.tissues import Structure
from cmda_core.volumes.geometry import Grid, Matrix, to_mm

Block = tuple[slice, slice, slice]
SLAB = 8
"""Slices painted at once, so that memory does not grow with the volume."""

EAR_BOX = Box((30, -7, -5), (45, 13, 7))
"""Cochlea, vestibule and semicircular canals of the right side, in head mm."""

DETAIL_MARGIN_MM = 3.0
BEND_MARGIN_MM = 5.0

HEAD_SAMPLES = (1, 1, 1)
TUMOUR_SAMPLES = (2, 2, 3)
EAR_SAMPLES = (3, 3, 4)
"""Samples per voxel along each axis; in the head at large the distance to a surface gives partial volume."""

TUMOUR = (Structure.TUMOUR, Structure.TUMOUR_CYST)
COCHLEA = (Structure.COCHLEA, Structure.COCHLEAR_FLUID)


@dataclass(frozen=True, slots=True, eq=False)
class Painting:
    """A subject on a grid.

    Attributes:
        signal: Mean signal of each voxel, ``(I, J, K)``.
        structures: ``Structure`` of each voxel's centre, uint8.
        labels: 0 background, 1 tumour, 2 cochleae: whatever fills more than half of a voxel.
    """

    signal: Field
    structures: NDArray[np.uint8]
    labels: NDArray[np.uint8]


def paint(subject: Subject, grid: Grid, signals: Mapping[Structure, float]) -> Painting:
    """Paint a subject.

    Args:
        subject: Who is scanned.
        grid: Voxels of the scan, in scanner RAS mm.
        signals: Signal of each structure.
    """
    bodies = tuple(layers(subject))
    canvas = Painting(
        np.empty(grid.shape, np.float32), np.empty(grid.shape, np.uint8), np.empty(grid.shape, np.uint8)
    )
    for block in _slabs(grid.shape):
        _fill(canvas, block, HEAD_SAMPLES, subject, grid, bodies, signals)
    to_head = subject.pose @ grid.matrix
    for box, samples in _details(subject):
        detail = _reach(box, to_head, grid.shape, DETAIL_MARGIN_MM)
        if detail is not None:
            _fill(canvas, detail, samples, subject, grid, bodies, signals)
    return canvas


def _fill(
    canvas: Painting,
    block: Block,
    factors: tuple[int, int, int],
    subject: Subject,
    grid: Grid,
    bodies: Sequence[Layer],
    signals: Mapping[Structure, float],
) -> None:
    lattice = _Lattice(block, factors, grid.matrix)
    signal, structures = lattice.paint(subject, bodies, signals)
    canvas.signal[block] = _mean(signal, factors)
    middle = tuple(slice(factor // 2, None, factor) for factor in factors)
    canvas.structures[block] = structures[middle]
    tumour = _mean(_any_of(structures, TUMOUR), factors) >= 0.5
    cochlea = _mean(_any_of(structures, COCHLEA), factors) >= 0.5
    canvas.labels[block] = np.where(tumour, 1, np.where(cochlea, 2, 0))


@dataclass(frozen=True, slots=True, eq=False)
class _Lattice:
    """The sample points of a block of voxels."""

    block: Block
    factors: tuple[int, int, int]
    affine: Matrix

    @property
    def shape(self) -> tuple[int, int, int]:
        i, j, k = ((s.stop - s.start) * f for s, f in zip(self.block, self.factors, strict=True))
        return i, j, k

    def to_scanner(self) -> Matrix:
        """Sample index to scanner RAS mm."""
        factors = np.array(self.factors, dtype=np.float64)
        starts = np.array([s.start for s in self.block]) - 0.5 + 0.5 / factors
        local = np.diag([*(1 / factors), 1.0])
        local[:3, 3] = starts
        return self.affine @ local

    def paint(
        self, subject: Subject, bodies: Sequence[Layer], signals: Mapping[Structure, float]
    ) -> tuple[Field, NDArray[np.uint8]]:
        to_head = subject.pose @ self.to_scanner()
        rigid = subject.bend(_points(to_head, self.shape))
        soft = subject.at_rest(rigid)
        softness = float(np.abs(np.linalg.det(to_head[:3, :3])) ** (1 / 3))
        signal = np.full(self.shape, signals[Structure.OUTSIDE], np.float32)
        structures = np.zeros(self.shape, np.uint8)
        margin = BEND_MARGIN_MM + subject.tumour.push
        for body in bodies:
            where = _reach(body.box, to_head, self.shape, margin)
            if where is None:
                continue
            points = (soft if body.soft else rigid).at(where)
            chosen = body.box.holds(points, softness)
            if body.within:
                chosen &= _any_of(structures[where], body.within)
            distance = body.distance(points.at(chosen))
            mixed, owner = signal[where][chosen], structures[where][chosen]
            for structure, depth in body.shells:
                cover = np.clip(0.5 - (distance + np.float32(depth)) / softness, 0, 1)
                mixed += cover * (np.float32(signals[structure]) - mixed)
                owner[distance < -depth] = structure
            signal[where][chosen], structures[where][chosen] = mixed, owner
        return signal, structures


def _points(affine: Matrix, shape: tuple[int, int, int]) -> Points:
    i, j, k = (np.arange(n, dtype=np.float32) for n in shape)
    rows = affine[:3].astype(np.float32)
    x, y, z = (
        (row[0] * i)[:, None, None] + (row[1] * j)[None, :, None] + (row[2] * k + row[3])[None, None, :]
        for row in rows
    )
    return Points(x, y, z)


def _reach(box: Box, to_head: Matrix, shape: tuple[int, int, int], margin: float) -> Block | None:
    low, high = np.array(box.low) - margin, np.array(box.high) + margin
    corners = np.array(list(product(*zip(low, high, strict=True))))
    indices = to_mm(np.linalg.inv(to_head).astype(np.float64), corners)
    first = np.maximum(np.floor(indices.min(0)).astype(int), 0)
    last = np.minimum(np.ceil(indices.max(0)).astype(int) + 1, shape)
    if (first >= last).any():
        return None
    i, j, k = (slice(a, b) for a, b in zip(first.tolist(), last.tolist(), strict=True))
    return i, j, k


def _any_of(structures: NDArray[np.uint8], wanted: Sequence[Structure]) -> NDArray[np.bool_]:
    table = np.zeros(256, dtype=np.bool_)
    table[list(wanted)] = True
    return table[structures]


def _mean(samples: NDArray[np.float32] | NDArray[np.bool_], factors: tuple[int, int, int]) -> Field:
    (i, j, k), (a, b, c) = samples.shape, factors
    split = samples.reshape(i // a, a, j // b, b, k // c, c)
    return split.mean(axis=(1, 3, 5), dtype=np.float32)


def _slabs(shape: tuple[int, int, int]) -> Iterator[Block]:
    i, j, k = shape
    for start in range(0, k, SLAB):
        yield slice(0, i), slice(0, j), slice(start, min(start + SLAB, k))


def _details(subject: Subject) -> Iterator[tuple[Box, tuple[int, int, int]]]:
    """Where partial volume needs many samples: the tumour, then the ears, which it reaches into."""
    yield subject.tumour.box.mirrored(subject.side), TUMOUR_SAMPLES
    yield from ((EAR_BOX.mirrored(side), EAR_SAMPLES) for side in SIDES)
