"""The one place where RAS+ millimetres and (I, J, K) arrays meet SimpleITK's LPS+ and (K, J, I)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from cmda_core.volumes.geometry import Matrix, spacing_of

FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
"""RAS+ to LPS+ and back."""


@contextmanager
def itk_threads(count: int) -> Iterator[None]:
    """Let ITK work with so many threads for as long as the block runs.

    The metrics of registrations ignore what a filter is told and take the global default; with more
    than one thread they add up in any order, and the last digits differ from call to call.
    """
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(count)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def index_image(voxels: NDArray[Any]) -> sitk.Image:
    """An image whose millimetres are voxel indices; the geometry is left to the caller's transform."""
    return sitk.GetImageFromArray(np.ascontiguousarray(voxels.transpose(2, 1, 0)))


def voxels_of(image: sitk.Image) -> NDArray[Any]:
    """The array of an image, shape ``(I, J, K)``."""
    return np.ascontiguousarray(sitk.GetArrayFromImage(image).transpose(2, 1, 0))


def placed_image(voxels: NDArray[Any], affine: Matrix) -> tuple[sitk.Image, Matrix]:
    """An image in its place in the scanner.

    ITK refuses directions that are not orthonormal, so the nearest orthonormal ones are used.

    Returns:
        The image; and the ``(4, 4)`` matrix from the image's own millimetres (RAS+) to those of
        ``affine``, which is the identity but for directions that had to be repaired.
    """
    spacing = np.array(spacing_of(affine))
    left, _, right = np.linalg.svd(affine[:3, :3] / spacing)
    direction = left @ right
    repaired = np.eye(4)
    repaired[:3, :3], repaired[:3, 3] = direction * spacing, affine[:3, 3]
    image = index_image(voxels)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin((FLIP[:3, :3] @ affine[:3, 3]).tolist())
    image.SetDirection((FLIP[:3, :3] @ direction).ravel().tolist())
    return image, affine @ np.linalg.inv(repaired)


def affine_transform(matrix: Matrix) -> sitk.AffineTransform:
    """A ``(4, 4)`` matrix as a transform of points, in whatever space the matrix is given in."""
    return sitk.AffineTransform(matrix[:3, :3].ravel().tolist(), matrix[:3, 3].tolist())


def matrix_of(transform: sitk.Transform) -> Matrix:
    """The ``(4, 4)`` matrix of an affine or rigid transform of points."""
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    columns = [np.array(transform.TransformPoint(tuple(axis))) - origin for axis in np.eye(3)]
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = np.stack(columns, axis=1), origin
    return matrix
