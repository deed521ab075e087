"""Grids: how many voxels, and where they lie in the scanner.

Every affine in cmda maps voxel indices (i, j, k) to RAS+ millimetres, as in NIfTI and nibabel.
SimpleITK's LPS+ and (k, j, i) arrays are met only in the modules that call SimpleITK.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict

from cmda_core.errors import GeometryError

Matrix = NDArray[np.float64]

GRID_TOLERANCE = 0.05
"""Two grids are the same if no corner differs by more than this share of the smallest voxel edge."""


def _as_rows(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray) else value


Row = tuple[float, float, float, float]
Affine = Annotated[tuple[Row, Row, Row, Row], BeforeValidator(_as_rows)]
"""A 4 x 4 matrix as nested tuples, so that it can be written as JSON; arrays are accepted."""


class Grid(BaseModel):
    """A lattice of voxels in RAS+ millimetres."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: tuple[int, int, int]
    """Number of voxels along I, J and K."""

    affine: Affine
    """Voxel index to RAS+ mm."""

    @property
    def matrix(self) -> Matrix:
        """The affine as a float64 array of shape ``(4, 4)``."""
        return np.array(self.affine, dtype=np.float64)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel edge lengths in mm along I, J and K."""
        return spacing_of(self.matrix)


def spacing_of(affine: Matrix) -> tuple[float, float, float]:
    """Voxel edge lengths in mm along I, J and K of a ``(4, 4)`` affine."""
    i, j, k = np.linalg.norm(affine[:3, :3], axis=0)
    return float(i), float(j), float(k)


def to_mm(affine: Matrix, points: Matrix) -> Matrix:
    """Apply a ``(4, 4)`` affine to points of shape ``(..., 3)``."""
    return points @ affine[:3, :3].T + affine[:3, 3]


def corners(shape: tuple[int, int, int]) -> Matrix:
    """Indices of the eight corner voxels, shape ``(8, 3)``."""
    return np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=np.float64) * (
        np.array(shape, dtype=np.float64) - 1
    )


def check_affine(affine: Matrix, where: str) -> None:
    """Refuse an affine that places no voxel anywhere.

    Raises:
        GeometryError: If a value is not finite, an axis has no length, or two axes coincide.
    """
    if not np.isfinite(affine).all():
        raise GeometryError(f"{where}: the affine holds NaN or infinite values. Repair the file's header.")
    spacing = spacing_of(affine)
    if min(spacing) <= 0:
        raise GeometryError(
            f"{where}: voxel size {spacing} mm has a zero in it. Repair the spacing in its header."
        )
    if abs(np.linalg.det(affine[:3, :3] / np.array(spacing))) < 1e-3:
        raise GeometryError(
            f"{where}: two of the volume's axes point the same way. Repair the direction in its header."
        )


def require_same_grid(first: Grid, second: Grid, names: tuple[str, str]) -> None:
    """Refuse two volumes that do not share a grid.

    Differences of up to ``GRID_TOLERANCE`` voxels are rounding of the file header and pass.

    Args:
        first: Grid of the first volume.
        second: Grid of the second one.
        names: What to call the two in a message, for instance their files.

    Raises:
        GeometryError: With the sizes, or with the distance in mm.
    """
    if first.shape != second.shape:
        raise GeometryError(
            f"{names[1]}: {' x '.join(map(str, second.shape))} voxels, but {names[0]} has "
            f"{' x '.join(map(str, first.shape))}. Resample the one to the grid of the other."
        )
    points = corners(first.shape)
    distance = float(np.linalg.norm(to_mm(first.matrix, points) - to_mm(second.matrix, points), axis=1).max())
    if distance > GRID_TOLERANCE * min(first.spacing):
        raise GeometryError(
            f"{names[1]}: lies up to {distance:.2f} mm away from {names[0]} (origin, spacing or direction "
            "differ). Resample the one to the grid of the other, or correct the header."
        )
