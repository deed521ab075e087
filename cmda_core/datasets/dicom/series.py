"""Stacks the slices of a DICOM series.

DICOM's LPS+ millimetres and (row, column) pixels are met in this package alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from cmda_core.errors import DataError, GeometryError
from cmda_core.volumes import Volume
from cmda_core.volumes.geometry import Matrix

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
GAP_TOLERANCE = 0.05
"""Gaps between slices may differ by this share of the usual one."""

_GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")


def read_series(files: Sequence[Path], modality: str, case: str) -> Volume:
    """Read a series as one volume: I along the rows, J down the columns, K across the slices.

    Raises:
        DataError: If a file is damaged, compressed in a way that cannot be decoded, or lacks its place.
        GeometryError: If the slices are not parallel, of one size and evenly spaced.
    """
    slices = [_read(path) for path in files]
    directions = np.array(slices[0].ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    for path, one in zip(files, slices, strict=True):
        turn = np.array(one.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
        if np.abs(turn - directions).max() > 1e-3 or (one.Rows, one.Columns) != (
            slices[0].Rows,
            slices[0].Columns,
        ):
            raise GeometryError(
                f"{path}: is not parallel to the other slices of case {case}, or of another size."
            )
    normal = np.cross(*directions)
    slices.sort(key=lambda one: float(np.dot(_place(one), normal)))
    affine = _affine(slices, directions, case)
    voxels = np.stack([_pixels(one).T for one in slices], axis=-1)
    return Volume(np.ascontiguousarray(voxels), affine, modality, case)


def _read(path: Path) -> Any:
    try:
        one = pydicom.dcmread(path)
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as DICOM ({error}). Download it again.") from error
    missing = [name for name in _GEOMETRY if name not in one]
    if missing:
        hint = " An enhanced multi-frame file? Convert it with dcm2niix, and write a manifest."
        raise DataError(f"{path}: has no {', '.join(missing)}.{hint if 'NumberOfFrames' in one else ''}")
    return one


def _place(one: Any) -> Matrix:
    return np.array(one.ImagePositionPatient, dtype=np.float64)


def _affine(slices: Sequence[Any], directions: Matrix, case: str) -> Matrix:
    if len(slices) < 2:
        raise GeometryError(f"case {case}: the series has 1 slice. Is the download complete?")
    places = np.array([_place(one) for one in slices])
    gaps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    usual = float(np.median(gaps))
    odd = int(np.abs(gaps - usual).argmax())
    if abs(gaps[odd] - usual) > GAP_TOLERANCE * usual:
        raise GeometryError(
            f"case {case}: slices {odd + 1} and {odd + 2} are {gaps[odd]:.2f} mm apart, the others "
            f"{usual:.2f} mm. Is a slice missing, or is one there twice?"
        )
    across, down = float(slices[0].PixelSpacing[1]), float(slices[0].PixelSpacing[0])
    affine = np.eye(4)
    affine[:3, 0] = LPS_TO_RAS @ directions[0] * across
    affine[:3, 1] = LPS_TO_RAS @ directions[1] * down
    affine[:3, 2] = LPS_TO_RAS @ (places[-1] - places[0]) / (len(slices) - 1)
    affine[:3, 3] = LPS_TO_RAS @ places[0]
    return affine


def _pixels(one: Any) -> NDArray[np.float32]:
    try:
        pixels = one.pixel_array.astype(np.float32)
    except (RuntimeError, NotImplementedError, AttributeError, ValueError) as error:
        raise DataError(
            f"{one.filename}: its pixels cannot be decoded ({error}). Decompress it, for instance with "
            "gdcmconv --raw."
        ) from error
    slope, intercept = float(one.get("RescaleSlope", 1)), float(one.get("RescaleIntercept", 0))
    return np.asarray(pixels * np.float32(slope) + np.float32(intercept))
