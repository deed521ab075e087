"""Reads, checks and writes NIfTI files."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError, HeaderTypeError, ImageDataError
from numpy.typing import NDArray

from cmda_core.errors import DataError
from cmda_core.files import replacing
from cmda_core.volumes.geometry import Grid, check_affine
from cmda_core.volumes.headers import check_header
from cmda_core.volumes.volume import LabelVolume, Volume

INTENSITY_STEP = 1 / 32767
"""Prepared intensities lie in [-1, 1]; as int16 they are stored in steps of this size."""

LABEL_TOLERANCE = 1e-3
"""Labels stored as floating-point numbers may be this far from a whole number."""

LARGEST_REST = 2**26
"""Bytes that may follow the voxels; a file that unpacks to more hides something."""

_CHUNK = 2**20
_HEADER_ERRORS = (HeaderDataError, HeaderTypeError, ImageDataError)  # which are no ValueErrors
_UNREADABLE = (ImageFileError, OSError, EOFError, zlib.error, ValueError, OverflowError, *_HEADER_ERRORS)


def read_volume(path: Path, modality: str, case: str | None = None) -> Volume:
    """Read a scan.

    Args:
        path: A ``.nii`` or ``.nii.gz`` file with one three-dimensional volume.
        modality: MR sequence of the scan.
        case: Identifier; the file's name without endings if left out.

    Raises:
        DataError: If the file is missing, cannot be decoded, or holds NaN or infinite intensities.
        GeometryError: If it is not three-dimensional or its affine makes no sense.
    """
    image = _open(path)
    with np.errstate(over="ignore"):  # what does not fit into float32 becomes infinite, and is told
        voxels = _decode(image, path).astype(np.float32, copy=False)
    bad = int(voxels.size - np.count_nonzero(np.isfinite(voxels)))
    if bad:
        raise DataError(f"{path}: {bad} voxels are NaN or infinite. Replace them before using the scan.")
    return Volume(voxels, _affine(image, path), modality, case or case_name(path))


def read_labels(path: Path, case: str | None = None) -> LabelVolume:
    """Read a label map; labels stored as floats are rounded.

    Raises:
        DataError: If the file is missing, cannot be decoded, or holds values that are not whole
            numbers from 0 to 255 (within ``LABEL_TOLERANCE``).
        GeometryError: If it is not three-dimensional or its affine makes no sense.
    """
    image = _open(path)
    values = _decode(image, path)
    if values.dtype != np.uint8:
        values = _rounded(values, path)
    return LabelVolume(values, _affine(image, path), case or case_name(path))


def read_grid(path: Path) -> Grid:
    """Read size and place of a volume from its header alone.

    Raises:
        DataError: If the file is missing or is not a NIfTI file.
        GeometryError: If it is not three-dimensional or its affine makes no sense.
    """
    image = _open(path)
    return Grid.model_validate({"shape": image.shape, "affine": _affine(image, path)})


def read_first_slice(path: Path) -> NDArray[np.float32]:
    """Read the first slice along K, for which a compressed file is decoded no further than it.

    Returns:
        Float32, shape ``(I, J)``.

    Raises:
        DataError: If the file is missing or cannot be decoded.
        GeometryError: If it is not three-dimensional.
    """
    image = _open(path)
    try:
        return np.asarray(image.dataobj[..., 0], dtype=np.float32)
    except _UNREADABLE as error:
        raise DataError(f"{path}: the file is damaged or incomplete ({error}). Copy it again.") from error


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """The two places that a NIfTI header can give a volume.

    Attributes:
        qform: Voxel index to RAS+ mm, if the header says that it is valid, and it is.
        sform: The same; it is the one that is read where there are both.
    """

    qform: NDArray[np.float64] | None
    sform: NDArray[np.float64] | None


def read_placement(path: Path) -> Placement:
    """Read what the header of a file says of its place.

    Raises:
        DataError: If the file is missing or is not a NIfTI file.
        GeometryError: If it is not three-dimensional.
    """
    header = _open(path).header
    try:
        qform = header.get_qform(coded=True)[0]
    except (ValueError, HeaderDataError):  # damaged, but of no use beside the sform
        qform = None
    return Placement(qform, header.get_sform(coded=True)[0])


def write_volume(path: Path, volume: Volume | LabelVolume, *, step: float | None = None) -> None:
    """Write a NIfTI file, whole or not at all.

    Args:
        path: Ends in ``.nii.gz``, or in ``.nii`` for a file of which single slices can be read.
        volume: A scan is stored as float32, a label map as uint8.
        step: Store a scan as int16 in steps of this size instead, half the bytes of float32.

    Raises:
        OutputError: If the file cannot be written.
    """
    voxels: NDArray[Any] = volume.voxels
    if step is not None:
        voxels = np.clip(np.rint(voxels / step), -32768, 32767).astype(np.int16)
    image = nibabel.Nifti1Image(voxels, volume.affine)
    image.header.set_xyzt_units("mm", "sec")
    if step is not None:
        image.header.set_slope_inter(step, 0)
    with replacing(path) as temporary:
        nibabel.save(image, temporary)


def open_slices(path: Path) -> tuple[np.memmap[Any, Any], float]:
    """Map an uncompressed NIfTI file into memory, so that slices can be read without decoding it.

    Args:
        path: A ``.nii`` file that ``write_volume`` wrote.

    Returns:
        Array of shape ``(K, J, I)``, contiguous along the slices, in the file's own type; and the
        factor that turns its values into intensities.

    Raises:
        DataError: If the file is missing, compressed or not a NIfTI file.
    """
    if path.suffix != ".nii":
        raise DataError(f"{path}: slices can only be read from an uncompressed .nii file.")
    image = _open(path)
    slope = float(image.dataobj.slope)
    offset, dtype, shape = image.dataobj.offset, image.get_data_dtype(), image.shape
    try:
        stack = np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape[::-1])
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: the file is damaged or incomplete ({error}). Copy it again.") from error
    return stack, slope


def stored_as_float(path: Path) -> bool:
    """Whether the voxels of a file are floating-point numbers, be it by a scale in its header.

    Raises:
        DataError: If the file is missing or is not a NIfTI file.
        GeometryError: If it is not three-dimensional.
    """
    image = _open(path)
    scaled = (float(image.dataobj.slope), float(image.dataobj.inter)) != (1.0, 0.0)
    return bool(scaled or image.get_data_dtype().kind == "f")


def case_name(path: Path) -> str:
    """File name without ``.nii`` or ``.nii.gz``."""
    return path.name.removesuffix(".gz").removesuffix(".nii")


def _open(path: Path) -> Any:  # nibabel's image classes carry no types
    if not path.is_file():
        raise DataError(f"{path}: no such file.")
    check_header(path)
    try:
        image: Any = nibabel.load(path)
    except _UNREADABLE as error:
        raise DataError(
            f"{path}: is not a readable NIfTI file ({error}). Copy or export it again."
        ) from error
    return image


def _decode(image: Any, path: Path) -> NDArray[Any]:
    try:
        voxels = _packed(image, path) if path.name.endswith(".gz") else np.asanyarray(image.dataobj)
    except (OSError, EOFError, zlib.error, ValueError, MemoryError) as error:
        reason = " ".join(str(error).partition(" from ")[0].split())  # the rest names the file once more
        raise DataError(f"{path}: the file is damaged or incomplete ({reason}). Copy it again.") from error
    return voxels


def _packed(image: Any, path: Path) -> NDArray[Any]:
    """Decode a compressed file to its end, where its checksum is, which nibabel does not look at."""
    with _InPieces(path) as stream:
        files = {"image": nibabel.FileHolder(fileobj=stream)}
        voxels = np.asanyarray(type(image).from_file_map(files).dataobj)
        more = 0
        while chunk := stream.read(_CHUNK):
            more += len(chunk)
            if more > LARGEST_REST:
                raise ValueError(f"more than {LARGEST_REST // 2**20} MiB follow its voxels")
    return voxels


class _InPieces(gzip.GzipFile):
    """A compressed file that fills a buffer piece by piece; as it is, it would hold the content twice."""

    def readinto(self, buffer: Any) -> int:
        view, done = memoryview(buffer).cast("B"), 0
        while piece := self.read(min(_CHUNK, len(view) - done)):
            view[done : done + len(piece)] = piece
            done += len(piece)
        return done


def _affine(image: Any, path: Path) -> NDArray[np.float64]:
    affine = np.array(image.affine, dtype=np.float64)
    check_affine(affine, str(path))
    return affine


def _rounded(values: NDArray[Any], path: Path) -> NDArray[np.uint8]:
    labels = np.empty(values.shape, np.uint8)
    for slab in range(values.shape[2]):  # one at a time: copies of a large map would not fit into memory
        labels[:, :, slab] = _rounded_slice(values[:, :, slab], path)
    return labels


def _rounded_slice(values: NDArray[Any], path: Path) -> NDArray[Any]:
    rounded = np.rint(values)
    if not np.isfinite(rounded).all() or rounded.min() < 0 or rounded.max() > 255:
        raise DataError(f"{path}: labels must be whole numbers from 0 to 255. Is this the image instead?")
    worst = float(np.abs(values - rounded).max())
    if worst > LABEL_TOLERANCE:
        raise DataError(
            f"{path}: labels must be whole numbers, but a value is {worst:.3f} away from one. "
            "Resample label maps with nearest-neighbour interpolation."
        )
    return rounded
