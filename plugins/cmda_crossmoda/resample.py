"""Resamples voxels from one grid onto another, in a single interpolation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from cmda_core.volumes import Grid
from cmda_core.volumes.geometry import Matrix, corners, to_mm
from cmda_crossmoda.itk import affine_transform, index_image, voxels_of
from cmda_crossmoda.separable import is_separable, resample_separable

MARGIN = 12
"""Voxels kept around a region: there a cubic B-spline feels a cut by less than 1e-6."""

_INTERPOLATORS = {"bspline": sitk.sitkBSpline, "linear": sitk.sitkLinear, "nearest": sitk.sitkNearestNeighbor}


def resample_image(
    voxels: NDArray[np.float32],
    affine: Matrix,
    grid: Grid,
    to_image: Matrix,
    interpolation: str,
    outside: float | None = None,
) -> NDArray[np.float32]:
    """Resample a scan onto a grid.

    Args:
        voxels: The scan, shape ``(I, J, K)``.
        affine: Voxel index to RAS+ mm of the scan; its axes need not be orthogonal.
        grid: Where the result lies.
        to_image: RAS+ mm of ``grid`` to RAS+ mm of the scan.
        interpolation: ``bspline``, ``linear`` or ``nearest``.
        outside: Value outside of the scan; its lowest intensity if left out, which takes a pass to find.
    """
    region, to_index = _region(voxels.shape, affine, grid, to_image)
    part = _smoothed(voxels[region].astype(np.float32, copy=False), to_index)
    outside = float(voxels.min()) if outside is None else outside
    if interpolation == "bspline" and min(part.shape) > 1 and is_separable(to_index, grid.shape):
        return resample_separable(part, to_index, grid.shape, outside)
    return _resample(part, to_index, grid, _INTERPOLATORS[interpolation], outside)


def resample_labels(
    voxels: NDArray[np.uint8], affine: Matrix, grid: Grid, to_image: Matrix
) -> NDArray[np.uint8]:
    """Resample a map of many labels by the nearest voxel; arguments as for an image."""
    region, to_index = _region(voxels.shape, affine, grid, to_image)
    return _resample(voxels[region], to_index, grid, sitk.sitkNearestNeighbor, 0.0)


def resample_structures(
    voxels: NDArray[np.uint8], affine: Matrix, grid: Grid, to_image: Matrix
) -> NDArray[np.uint8]:
    """Resample a map of few labels: each is interpolated linearly, and the largest share wins.

    Only the box around the labels is interpolated; all else is background.
    """
    labels = np.zeros(grid.shape, np.uint8)
    box = _around_labels(voxels)
    if box is None:
        return labels
    part, moved = voxels[box], affine.copy()
    moved[:3, 3] = to_mm(affine, np.array([along.start for along in box], float))
    covered = _covered(grid, np.linalg.inv(to_image) @ moved, part.shape)
    if covered is None:
        return labels
    start, near = covered
    to_index = np.linalg.inv(moved) @ to_image @ near.matrix
    known = [int(label) for label in np.flatnonzero(np.bincount(part.ravel(order="K"))) if label]
    shares = ((label, _smoothed((part == label).astype(np.float32), to_index)) for label in [0, *known])
    within = tuple(slice(first, first + size) for first, size in zip(start, near.shape, strict=True))
    labels[within] = _largest(shares, to_index, near)
    return labels


def resample_probabilities(
    probabilities: NDArray[np.float32], affine: Matrix, grid: Grid, to_image: Matrix
) -> NDArray[np.uint8]:
    """Labels of the highest probability on another grid; background outside of the old one.

    Args:
        probabilities: Shape ``(labels, I, J, K)``.
        affine: Voxel index to RAS+ mm of the probabilities.
        grid: Where the result lies.
        to_image: RAS+ mm of ``grid`` to RAS+ mm of the probabilities.
    """
    labels = np.zeros(grid.shape, np.uint8)
    covered = _covered(grid, np.linalg.inv(to_image) @ affine, probabilities.shape[1:])
    if covered is None:
        return labels
    start, part = covered
    to_index = np.linalg.inv(affine) @ to_image @ part.matrix
    within = tuple(slice(first, first + size) for first, size in zip(start, part.shape, strict=True))
    labels[within] = _largest(enumerate(probabilities), to_index, part)
    return labels


def _largest(
    shares: Iterable[tuple[int, NDArray[np.float32]]], to_index: Matrix, grid: Grid
) -> NDArray[np.uint8]:
    """One label at a time, so that memory does not grow with their number."""
    labels = np.zeros(grid.shape, np.uint8)
    best: NDArray[np.float32] | None = None
    for label, share in shares:
        value = _resample(share, to_index, grid, sitk.sitkLinear, float(label == 0))
        if best is None:
            best = value
            continue
        larger = value > best
        labels[larger], best[larger] = label, value[larger]
    return labels


def _resample(
    voxels: NDArray[Any], to_index: Matrix, grid: Grid, interpolator: int, outside: float
) -> NDArray[Any]:
    filter_ = sitk.ResampleImageFilter()
    filter_.SetSize(grid.shape)
    filter_.SetTransform(affine_transform(to_index))
    filter_.SetInterpolator(interpolator)
    filter_.SetDefaultPixelValue(outside)
    filter_.SetNumberOfThreads(1)
    return voxels_of(filter_.Execute(index_image(voxels)))


def _region(
    shape: tuple[int, ...], affine: Matrix, grid: Grid, to_image: Matrix
) -> tuple[tuple[slice, ...], Matrix]:
    """The part of an image that a grid needs, and indices of the grid to indices of that part."""
    to_index = np.linalg.inv(affine) @ to_image @ grid.matrix
    points = to_mm(to_index, corners(grid.shape))
    low = np.clip(np.floor(points.min(axis=0)) - MARGIN, 0, np.array(shape) - 2).astype(int)
    high = np.clip(np.ceil(points.max(axis=0)) + MARGIN + 1, low + 2, np.array(shape)).astype(int)
    shift = np.eye(4)
    shift[:3, 3] = -low
    return tuple(slice(a, b) for a, b in zip(low, high, strict=True)), shift @ to_index


def _around_labels(voxels: NDArray[np.uint8]) -> tuple[slice, ...] | None:
    """The box around all labels with a margin of background, if there are any."""
    found = []
    for axis, size in enumerate(voxels.shape):
        others = tuple(other for other in range(3) if other != axis)
        shown = np.flatnonzero(voxels.any(axis=others))
        if not len(shown):
            return None
        found.append(slice(max(0, int(shown[0]) - MARGIN), min(size, int(shown[-1]) + MARGIN + 1)))
    return tuple(found)


def _covered(grid: Grid, affine: Matrix, shape: tuple[int, ...]) -> tuple[tuple[int, ...], Grid] | None:
    """First index and grid of the smallest box of ``grid`` that holds another one, if they meet."""
    i, j, k = shape
    points = to_mm(np.linalg.inv(grid.matrix) @ affine, corners((i, j, k)))
    low = np.maximum(np.floor(points.min(axis=0)) - 1, 0).astype(int)
    high = np.minimum(np.ceil(points.max(axis=0)) + 2, grid.shape).astype(int)
    if (high <= low).any():
        return None
    moved = grid.matrix
    moved[:3, 3] = to_mm(grid.matrix, low.astype(np.float64))
    return tuple(low.tolist()), Grid.model_validate({"shape": tuple((high - low).tolist()), "affine": moved})


def _smoothed(voxels: NDArray[np.float32], to_index: Matrix) -> NDArray[np.float32]:
    """Blur before a coarser grid is filled, lest fine detail turn into noise.

    Standard deviation after Cardoso et al., MICCAI 2015 (scale factor image resampling): the full
    width at half maximum of the blur makes up for the difference of the voxel sizes.
    """
    steps = np.abs(to_index[:3, :3]).max(axis=1)
    variance = np.maximum(steps**2 - 1, 0) / (8 * np.log(2))
    variance[steps < 1.5] = 0  # grids of about the same spacing: interpolation blurs enough
    if not variance.any():
        return voxels
    smoothed: NDArray[np.float32] = gaussian_filter(voxels, np.sqrt(variance), mode="nearest", truncate=3)
    return smoothed
