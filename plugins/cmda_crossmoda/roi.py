"""The fixed region of interest, placed by where the structures of the training cases lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cmda_core.volumes import Grid, LabelVolume
from cmda_core.volumes.geometry import Matrix, to_mm
from cmda_crossmoda.config import CrossmodaConfig

Box = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Lowest and highest RAS+ mm along each axis."""


def box_of(labels: LabelVolume, to_scan: Matrix) -> Box | None:
    """The box around all labelled voxels, in mm of the atlas.

    Args:
        labels: Labels of a scan.
        to_scan: RAS+ mm of the atlas to RAS+ mm of the scan.
    """
    indices = np.argwhere(labels.voxels).astype(np.float64)
    if not len(indices):
        return None
    points = to_mm(np.linalg.inv(to_scan) @ labels.affine, indices)
    low, high = points.min(axis=0), points.max(axis=0)
    return (float(low[0]), float(low[1]), float(low[2])), (float(high[0]), float(high[1]), float(high[2]))


def centre_of(boxes: Sequence[Box]) -> Matrix:
    """The middle of the space that the boxes take up, shape ``(3,)``.

    The outermost twentieth of the cases at either side does not count, so that one failed
    registration does not move the region.
    """
    bounds = np.array(boxes)
    low = np.percentile(bounds[:, 0], 5, axis=0)
    high = np.percentile(bounds[:, 1], 95, axis=0)
    return np.asarray((low + high) / 2, dtype=np.float64)


def crop_grid(centre: Matrix, config: CrossmodaConfig) -> Grid:
    """The axial LPS grid of a crop around a point in RAS+ mm."""
    affine = np.diag([-config.spacing_mm[0], -config.spacing_mm[1], config.spacing_mm[2], 1.0])
    affine[:3, 3] = centre - affine[:3, :3] @ ((np.array(config.shape) - 1) / 2)
    return Grid.model_validate({"shape": config.shape, "affine": affine})


def coverage(boxes: Sequence[Box], grid: Grid) -> float:
    """Share of the boxes that lie wholly within a crop."""
    edges = to_mm(grid.matrix, np.array([[0.0, 0.0, 0.0], np.array(grid.shape) - 1.0]))
    bounds = np.array(boxes)
    inside = (bounds[:, 0] >= edges.min(axis=0)).all(axis=1) & (bounds[:, 1] <= edges.max(axis=0)).all(axis=1)
    return float(inside.mean())
