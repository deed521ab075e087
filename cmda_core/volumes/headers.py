"""What a NIfTI header claims, looked at before a library believes it.

A damaged or hostile header can ask for more memory than there is, give a volume no size or place, or
lead the reader through gigabytes of compressed zeros. All of that is told by the first bytes of a file.
"""

from __future__ import annotations

import math
import zlib
from pathlib import Path
from typing import Any, Literal

import nibabel
import numpy as np
from nibabel.openers import ImageOpener
from nibabel.spatialimages import HeaderDataError

from cmda_core.errors import DataError, GeometryError

LARGEST_SCAN = 5 * 2**28
"""Bytes that the voxels of one scan may take while they are decoded; 640 x 640 x 512 of float32 take
two thirds of it."""

_LARGEST_OFFSET = 2**26
_HEADERS = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}
_DAMAGED = (OSError, EOFError, zlib.error, ValueError, OverflowError, HeaderDataError)


def check_header(path: Path) -> None:
    """Refuse a file whose header makes no sense.

    Args:
        path: A ``.nii`` or ``.nii.gz`` file.

    Raises:
        DataError: If it is no NIfTI file, or a field of its header cannot be right.
        GeometryError: If the volume is not three-dimensional, empty, or has no size or place.
    """
    try:
        with ImageOpener(str(path)) as stream:
            start = stream.read(540)
            header = _header(start, path)
            _check_shape(header, path)
            _check_memory(header, path)
            _check_place(header, path)
            _check_extensions(header, start, stream, path)
    except _DAMAGED as error:
        raise DataError(
            f"{path}: is not a readable NIfTI file ({error}). Copy or export it again."
        ) from error


def _header(start: bytes, path: Path) -> Any:  # nibabel's headers carry no types
    if not start:
        raise DataError(f"{path}: is an empty file. Copy or export it again.")
    sizes = {int.from_bytes(start[:4], "little"), int.from_bytes(start[:4], "big")} & _HEADERS.keys()
    if not sizes or len(start) < min(sizes):
        raise DataError(
            f"{path}: is not a NIfTI file, or is cut off within its header. Copy or export it again."
        )
    size = sizes.pop()
    header = _HEADERS[size](start[:size], check=False)
    magic = bytes(header["magic"])[:3]
    if magic not in (b"n+1", b"n+2"):
        raise DataError(f"{path}: magic {magic!r}: is not that of a NIfTI file. Copy or export it again.")
    return header


def _check_shape(header: Any, path: Path) -> None:
    axes, *sizes = (int(value) for value in header["dim"])
    shape = tuple(sizes[:axes]) if 1 <= axes <= 7 else ()
    if len(shape) != 3:
        raise GeometryError(
            f"{path}: expected one three-dimensional volume, got shape {shape or sizes}. "
            "Export the scan as a single 3D volume."
        )
    if min(shape) < 1:
        raise GeometryError(f"{path}: the volume is empty (shape {shape}). Export it again.")


def _check_memory(header: Any, path: Path) -> None:
    offset = float(header["vox_offset"])
    if not 0 <= offset <= _LARGEST_OFFSET:
        raise DataError(f"{path}: vox_offset {offset:g}: the voxels cannot begin there. Export it again.")
    try:
        dtype = header.get_data_dtype()
    except KeyError:
        raise DataError(
            f"{path}: datatype {int(header['datatype'])}: NIfTI has no such type. Copy or export it again."
        ) from None
    if dtype.kind not in "iuf":
        raise DataError(
            f"{path}: datatype: voxels of type {dtype} are not scalar intensities. Export a grey-scale image."
        )
    shape = tuple(int(value) for value in header["dim"][1:4])
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    unscaled = slope == 0 or math.isnan(slope)  # as the standard has it; NaN is what nibabel writes
    if math.isinf(slope) or not (unscaled or math.isfinite(inter)):
        raise DataError(
            f"{path}: scl_slope, scl_inter: intensities cannot be scaled by {slope:g} and {inter:g}. "
            "Export it again."
        )
    scaled = not unscaled and (slope, inter) != (1.0, 0.0)
    decoded = 8 if scaled else dtype.itemsize
    bytes_needed = math.prod(shape) * (decoded if decoded == 4 else decoded + 4)
    if bytes_needed > LARGEST_SCAN:
        raise DataError(
            f"{path}: dim: {' x '.join(map(str, shape))} voxels of type {dtype} take "
            f"{bytes_needed / 2**30:.1f} GiB to read; at most {LARGEST_SCAN / 2**30:.2f} GiB are taken. "
            "Is the header damaged? If not, crop or resample the scan."
        )


def _check_place(header: Any, path: Path) -> None:
    """What nibabel would mend in silence: without an sform, zeros become voxels of 1 mm."""
    if int(header["sform_code"]) > 0:
        return
    spacing = [float(value) for value in header["pixdim"][1:4]]
    if not all(math.isfinite(value) and value != 0 for value in spacing):
        raise GeometryError(
            f"{path}: pixdim: voxels of {' x '.join(f'{value:g}' for value in spacing)} mm have no size. "
            "Repair the spacing in its header."
        )
    if int(header["qform_code"]) > 0:
        turn = np.array([float(header[f"quatern_{axis}"]) for axis in "bcd"])
        if not np.isfinite(turn).all() or float(turn @ turn) > 1.001:
            raise GeometryError(
                f"{path}: quatern_b, quatern_c, quatern_d: {turn.tolist()} is no rotation. "
                "Repair the direction in its header."
            )


def _check_extensions(header: Any, start: bytes, stream: ImageOpener, path: Path) -> None:
    """Notes between header and voxels say themselves how long they are."""
    size = len(header.binaryblock)
    end = int(header["vox_offset"])
    if end <= size + 4:
        return
    notes = (start + stream.read(max(end - len(start), 0)))[size:end]
    if len(notes) < end - size:
        raise DataError(f"{path}: ends before its voxels begin. Copy or export it again.")
    if not notes[0]:
        return
    order: Literal["little", "big"] = "little" if header.endianness == "<" else "big"
    place = 4
    while len(notes) - place >= 16:
        length = int.from_bytes(notes[place : place + 4], order, signed=True)
        if not 8 <= length <= len(notes) - place:
            raise DataError(
                f"{path}: a header extension of {length} bytes does not fit. Copy or export it again."
            )
        place += length
