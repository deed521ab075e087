"""The one image type that crosses a plugin boundary."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cmda_core.errors import GeometryError
from cmda_core.volumes.geometry import Grid, Matrix, spacing_of

Voxels = NDArray[np.float32] | NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """Intensities with their place in the scanner.

    Attributes:
        voxels: Intensities, float32, shape ``(I, J, K)``, on the CPU.
        affine: Voxel index to RAS+ mm, float64, shape ``(4, 4)``.
        modality: MR sequence, such as ``ceT1``.
        case: Identifier of the case, used in file names and messages.

    Raises:
        GeometryError: If ``voxels`` is not three-dimensional or ``affine`` is not ``(4, 4)``.
    """

    voxels: NDArray[np.float32]
    affine: Matrix
    modality: str
    case: str

    def __post_init__(self) -> None:
        _check_shapes(self.voxels, self.affine, self.case)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel edge lengths in mm along I, J and K."""
        return spacing_of(self.affine)

    @property
    def grid(self) -> Grid:
        """Size and place, without the intensities."""
        return _grid(self.voxels, self.affine)

    def with_voxels(self, voxels: NDArray[np.float32], *, modality: str | None = None) -> Volume:
        """Other intensities on the same grid.

        Raises:
            GeometryError: If the shape is another one.
        """
        if voxels.shape != self.voxels.shape:
            raise GeometryError(f"{self.case}: expected shape {self.voxels.shape}, got {voxels.shape}.")
        return replace(self, voxels=voxels, modality=modality or self.modality)

    def with_labels(self, voxels: NDArray[np.uint8]) -> LabelVolume:
        """A label map on the same grid.

        Raises:
            GeometryError: If the shape is another one.
        """
        if voxels.shape != self.voxels.shape:
            raise GeometryError(f"{self.case}: expected shape {self.voxels.shape}, got {voxels.shape}.")
        return LabelVolume(voxels, self.affine, self.case)


@dataclass(frozen=True, slots=True, eq=False)
class LabelVolume:
    """A label per voxel, with its place in the scanner.

    Attributes:
        voxels: Labels, uint8, shape ``(I, J, K)``; 0 is background.
        affine: Voxel index to RAS+ mm, float64, shape ``(4, 4)``.
        case: Identifier of the case.

    Raises:
        GeometryError: If ``voxels`` is not three-dimensional or ``affine`` is not ``(4, 4)``.
    """

    voxels: NDArray[np.uint8]
    affine: Matrix
    case: str

    def __post_init__(self) -> None:
        _check_shapes(self.voxels, self.affine, self.case)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel edge lengths in mm along I, J and K."""
        return spacing_of(self.affine)

    @property
    def grid(self) -> Grid:
        """Size and place, without the labels."""
        return _grid(self.voxels, self.affine)


def _check_shapes(voxels: Voxels, affine: Matrix, case: str) -> None:
    if voxels.ndim != 3:
        raise GeometryError(f"{case}: expected voxels of shape (I, J, K), got {voxels.shape}.")
    if affine.shape != (4, 4):
        raise GeometryError(f"{case}: expected an affine of shape (4, 4), got {affine.shape}.")


def _grid(voxels: Voxels, affine: Matrix) -> Grid:
    i, j, k = voxels.shape
    return Grid.model_validate({"shape": (i, j, k), "affine": affine})
