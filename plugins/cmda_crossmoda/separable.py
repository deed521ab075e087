"""Cubic B-spline interpolation onto a grid whose axes are those of the image: one axis at a time.

Where a scan is only shifted and scaled along its own axes, as in the unaffined crop of every scan that was
not acquired obliquely, 12 weights per voxel do what takes 64 in general. The numbers are ITK's, to 1e-6 of
the range of the intensities.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import spline_filter
from scipy.sparse import csr_array

from cmda_core.volumes.geometry import Matrix

ALIGNED = 1e-6
"""Voxels that a step along one axis may move along another one to be of the same axis."""


def is_separable(to_index: Matrix, shape: tuple[int, ...]) -> bool:
    """Whether a grid's axes are those of the image, in either direction.

    Args:
        to_index: Indices of the grid to indices of the image.
        shape: Of the grid.
    """
    turned = to_index[:3, :3] - np.diag(np.diag(to_index)[:3])
    return bool((np.abs(turned) * np.array(shape)).max() < ALIGNED)


def resample_separable(
    voxels: NDArray[np.float32], to_index: Matrix, shape: tuple[int, int, int], outside: float
) -> NDArray[np.float32]:
    """Resample an image onto a grid with the same axes.

    Args:
        voxels: Shape ``(I, J, K)``, at least two voxels along each axis.
        to_index: Indices of the grid to indices of the image; see `is_separable`.
        shape: Of the grid.
        outside: Value of voxels more than half a voxel outside of the image.
    """
    result: NDArray[np.float32] = spline_filter(voxels, order=3, output=np.float32, mode="mirror")
    positions = [to_index[axis, axis] * np.arange(shape[axis]) + to_index[axis, 3] for axis in range(3)]
    for axis in range(3):
        weights = _weights(positions[axis], voxels.shape[axis])
        lines = np.moveaxis(result, axis, 0)
        mixed = weights @ lines.reshape(lines.shape[0], -1)
        result = np.moveaxis(mixed.reshape(-1, *lines.shape[1:]), 0, axis)
    for axis, (where, size) in enumerate(zip(positions, voxels.shape, strict=True)):
        beyond = (where < -0.5) | (where >= size - 0.5)
        np.moveaxis(result, axis, 0)[beyond] = outside
    return result


def _weights(positions: NDArray[np.float64], size: int) -> csr_array:
    """Shares of the ``size`` coefficients in the values at some positions, mirrored at both ends."""
    first = np.floor(positions).astype(np.intp) - 1
    near = first[:, None] + np.arange(4)
    distance = np.abs(positions[:, None] - near)
    inner = 2 / 3 - distance**2 + distance**3 / 2
    outer = np.clip(2 - distance, 0, None) ** 3 / 6
    values = np.where(distance < 1, inner, outer)
    period = 2 * (size - 1)
    index = np.abs(near) % period
    index = np.where(index >= size, period - index, index)
    rows = np.repeat(np.arange(len(positions)), 4)
    entries = (values.ravel().astype(np.float32), (rows, index.ravel()))
    return csr_array(entries, shape=(len(positions), size))
