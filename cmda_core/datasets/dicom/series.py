"""Stacks the slices of a DICOM series.

DICOM's LPS+ millimetres and (row, column) pixels are met in this package alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmda_core.datasets.dicom.reading import MALFORMED, numbers, read_whole
from cmda_core.errors import DataError, GeometryError
from cmda_core.volumes import Volume
from cmda_core.volumes.geometry import Matrix, check_affine
from cmda_core.volumes.headers import LARGEST_SCAN

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
GAP_TOLERANCE = 0.05
"""Gaps between slices may differ by this share of the usual one."""

_GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns")


@dataclass(frozen=True, slots=True, eq=False)
class _Slice:
    """A slice and its place in LPS+ mm.

    Attributes:
        path: The file.
        content: All of it; its pixels are decoded when they are needed.
        place: Centre of the first pixel, shape ``(3,)``.
        turn: Directions of the rows and of the columns, shape ``(2, 3)``.
        spacing: From row to row and from column to column, mm.
        size: Rows and columns.
    """

    path: Path
    content: Any  # pydicom's datasets carry no types
    place: Matrix
    turn: Matrix
    spacing: Matrix
    size: tuple[int, int]

    @classmethod
    def read(cls, path: Path) -> _Slice:
        one = read_whole(path)
        missing = [name for name in _GEOMETRY if name not in one]
        if missing:
            hint = " An enhanced multi-frame file? Convert it with dcm2niix, and write a manifest."
            more = hint if "NumberOfFrames" in one else " Download it again."
            raise DataError(f"{path}: has no {', '.join(missing)}.{more}")
        rows, columns = (int(numbers(one, name, 1, path)[0]) for name in ("Rows", "Columns"))
        return cls(
            path,
            one,
            numbers(one, "ImagePositionPatient", 3, path),
            numbers(one, "ImageOrientationPatient", 6, path).reshape(2, 3),
            numbers(one, "PixelSpacing", 2, path),
            (rows, columns),
        )


def read_series(files: Sequence[Path], modality: str, case: str) -> Volume:
    """Read a series as one volume: I along the rows, J down the columns, K across the slices.

    Raises:
        DataError: If a file is damaged, compressed in a way that cannot be decoded, or lacks its place.
        GeometryError: If the slices are not parallel, of one size and evenly spaced.
    """
    slices = [_Slice.read(path) for path in files]
    first = slices[0]
    for one in slices:
        if np.abs(one.turn - first.turn).max() > 1e-3 or one.size != first.size:
            raise GeometryError(
                f"{one.path}: is not parallel to the other slices of case {case}, or of another size."
            )
        if not np.allclose(one.spacing, first.spacing, rtol=1e-3):
            raise GeometryError(
                f"{one.path}: PixelSpacing: is {one.spacing.tolist()} mm, and that of other slices of case "
                f"{case} is {first.spacing.tolist()} mm. Are two series mixed?"
            )
    _check_size(first, len(slices), case)
    normal = np.cross(*first.turn)
    slices.sort(key=lambda one: float(np.dot(one.place, normal)))
    affine = _affine(slices, case)
    voxels = np.stack([_pixels(one).T for one in slices], axis=-1)
    return Volume(np.ascontiguousarray(voxels), affine, modality, case)


def _check_size(first: _Slice, count: int, case: str) -> None:
    rows, columns = first.size
    if rows < 1 or columns < 1:
        raise GeometryError(f"{first.path}: Rows, Columns: {rows} x {columns} pixels are none.")
    if rows * columns * count * 4 > LARGEST_SCAN:
        raise DataError(
            f"{first.path}: Rows, Columns: {count} slices of {rows} x {columns} pixels (case {case}) are "
            "more than is taken. Is the header damaged?"
        )


def _affine(slices: Sequence[_Slice], case: str) -> Matrix:
    if len(slices) < 2:
        raise GeometryError(f"case {case}: the series has 1 slice. Is the download complete?")
    places = np.array([one.place for one in slices])
    gaps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    usual = float(np.median(gaps))
    odd = int(np.abs(gaps - usual).argmax())
    if abs(gaps[odd] - usual) > GAP_TOLERANCE * usual:
        raise GeometryError(
            f"case {case}: slices {odd + 1} and {odd + 2} ({slices[odd].path.name} and "
            f"{slices[odd + 1].path.name}) are {gaps[odd]:.2f} mm apart, the others {usual:.2f} mm. Is a "
            "slice missing, or is one there twice?"
        )
    down, across = slices[0].spacing.tolist()
    affine = np.eye(4)
    affine[:3, 0] = LPS_TO_RAS @ slices[0].turn[0] * across
    affine[:3, 1] = LPS_TO_RAS @ slices[0].turn[1] * down
    affine[:3, 2] = LPS_TO_RAS @ (places[-1] - places[0]) / (len(slices) - 1)
    affine[:3, 3] = LPS_TO_RAS @ places[0]
    check_affine(affine, str(slices[0].path))
    return affine


def _pixels(one: _Slice) -> NDArray[np.float32]:
    try:
        with warnings.catch_warnings():  # what is wrong is told, or of no consequence
            warnings.simplefilter("ignore")
            pixels = one.content.pixel_array.astype(np.float32)
    except (RuntimeError, *MALFORMED) as error:
        raise DataError(
            f"{one.path}: its pixels cannot be decoded ({error}). Decompress it, for instance with "
            "gdcmconv --raw."
        ) from error
    if pixels.shape != one.size:
        raise DataError(
            f"{one.path}: its pixels have the shape {pixels.shape}. Expected one grey-scale slice."
        )
    slope, intercept = (
        float(numbers(one.content, name, 1, one.path)[0]) if name in one.content else usual
        for name, usual in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0))
    )
    return np.asarray(pixels * np.float32(slope) + np.float32(intercept))
