"""Paints a subject on a grid: samples within each voxel, partial volume, labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from cmda_core.datasets.phantom.anatomy import Layer, Subject, layers
from cmda_core.datasets.phantom.inner_ear import COCHLEA_BASE
from cmda_core.datasets.phantom.shapes import Box, Field, Points
from cmda_core.datasets.phantom.tissues import Structure
from cmda_core.volumes.geometry import Grid, Matrix, to_mm

Block = tuple[slice, slice, slice]
SLAB = 8
"""Slices painted at once, so that memory does not grow with the volume."""

EAR_MM = (11.0, 13.0, 9.0)
"""Half edges of the boxes about the inner ears that are sampled finely."""

BEND_MARGIN_MM = 5.0

WHOLE_VOXELS = (1, 1, 2)
EAR_VOXELS = (3, 3, 4)
"""Samples per voxel along each axis, in the head at large and in the inner ears."""

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
        _fill(canvas, block, WHOLE_VOXELS, subject, grid, bodies, signals)
    for block in _ears(subject, grid):
        _fill(canvas, block, EAR_VOXELS, subject, grid, bodies, signals)
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
    lattice = _Lattice(block, factors, grid.matrix @ np.eye(4))
    signal, structures = lattice.paint(subject, bodies, signals)
    canvas.signal[block] = _mean(signal, factors)
    middle = tuple(slice(factor // 2, None, factor) for factor in factors)
    canvas.structures[block] = structures[middle]
    tumour = _mean(np.isin(structures, TUMOUR), factors) >= 0.5
    cochlea = _mean(np.isin(structures, COCHLEA), factors) >= 0.5
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
        softness = np.float32(np.abs(np.linalg.det(to_head[:3, :3])) ** (1 / 3))
        signal = np.full(self.shape, signals[Structure.OUTSIDE], np.float32)
        structures = np.zeros(self.shape, np.uint8)
        margin = BEND_MARGIN_MM + subject.tumour.push
        from_head = np.linalg.inv(to_head)
        for body in bodies:
            where = _reach(body.box, from_head, self.shape, margin)
            if where is None:
                continue
            distance = body.distance((soft if body.soft else rigid).part(where))
            cover = np.clip(0.5 - distance / softness, 0, 1)
            signal[where] += cover * (np.float32(signals[body.structure]) - signal[where])
            structures[where][distance < 0] = body.structure
        return signal, structures


def _points(affine: Matrix, shape: tuple[int, int, int]) -> Points:
    i, j, k = (np.arange(n, dtype=np.float32) for n in shape)
    rows = affine[:3].astype(np.float32)
    x, y, z = (
        (row[0] * i)[:, None, None] + (row[1] * j)[None, :, None] + (row[2] * k + row[3])[None, None, :]
        for row in rows
    )
    return Points(x, y, z)


def _reach(box: Box, from_head: Matrix, shape: tuple[int, int, int], margin: float) -> Block | None:
    low, high = np.array(box.low) - margin, np.array(box.high) + margin
    corners = np.array(list(product(*zip(low, high, strict=True))))
    indices = to_mm(from_head, corners)
    first = np.maximum(np.floor(indices.min(0)).astype(int), 0)
    last = np.minimum(np.ceil(indices.max(0)).astype(int) + 1, shape)
    if (first >= last).any():
        return None
    i, j, k = (slice(a, b) for a, b in zip(first.tolist(), last.tolist(), strict=True))
    return i, j, k


def _mean(samples: NDArray[np.float32] | NDArray[np.bool_], factors: tuple[int, int, int]) -> Field:
    (i, j, k), (a, b, c) = samples.shape, factors
    split = samples.reshape(i // a, a, j // b, b, k // c, c)
    return split.mean(axis=(1, 3, 5), dtype=np.float32)


def _slabs(shape: tuple[int, int, int]) -> Iterator[Block]:
    i, j, k = shape
    for start in range(0, k, SLAB):
        yield slice(0, i), slice(0, j), slice(start, min(start + SLAB, k))


def _ears(subject: Subject, grid: Grid) -> Iterator[Block]:
    from_head = np.linalg.inv(subject.pose @ grid.matrix)
    for side in (1, -1):
        centre = np.array(COCHLEA_BASE) * (side, 1, 1) - (side * 1.0, 3.0, 0.0)
        low, high = (centre - EAR_MM).tolist(), (centre + EAR_MM).tolist()
        block = _reach(Box(tuple(low), tuple(high)), from_head, grid.shape, 0.0)
        if block is not None:
            yield block
