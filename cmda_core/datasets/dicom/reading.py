"""Opens DICOM files that may be anything."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.uid import DeflatedExplicitVRLittleEndian

from cmda_core.errors import DataError
from cmda_core.volumes.geometry import Matrix

MALFORMED = (
    InvalidDicomError,
    BytesLengthException,
    OSError,
    EOFError,
    ValueError,
    AttributeError,
    LookupError,
    TypeError,
    OverflowError,
    RecursionError,
    MemoryError,
    NotImplementedError,
    struct.error,
    zlib.error,
)
"""What pydicom lets out of damaged files, when they are opened or when a value is asked for."""


@contextmanager
def readable(path: Path, what: str = "DICOM") -> Iterator[None]:
    """Turn whatever damaged content makes pydicom raise into a message; its warnings are left out.

    Raises:
        DataError: Naming the file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except MALFORMED as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path}: cannot be read as {what} ({reason}). Download it again.") from error


def read_header(path: Path, tags: list[str]) -> Any | None:  # pydicom's datasets carry no types
    """Some values of a file, without its pixels; nothing of a file of another kind.

    Raises:
        DataError: If it is damaged, or deflated.
    """
    with readable(path):
        try:
            _refuse_deflated(path)
            return pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags)
        except InvalidDicomError:  # a licence text, a checksum
            return None


def read_whole(path: Path) -> Any:
    """All of a file.

    Raises:
        DataError: If it is damaged, or deflated.
    """
    with readable(path):
        _refuse_deflated(path)
        return pydicom.dcmread(path)


def numbers(one: Any, name: str, count: int, path: Path) -> Matrix:
    """Numbers of a DICOM value.

    Args:
        one: Dataset.
        name: Keyword of the value.
        count: How many numbers it must have.
        path: File of the dataset, to begin a message with.

    Raises:
        DataError: If there are fewer or more, or one is not finite.
    """
    with readable(path):
        value = one.get(name)
        found = np.array(value if isinstance(value, MultiValue) else [value], dtype=np.float64)
    if len(found) != count or not np.isfinite(found).all():
        wanted = f"{count} numbers" if count > 1 else "a number"
        raise DataError(f"{path}: {name}: expected {wanted}, got {str(value)[:80]!r}. Download it again.")
    return found


def _refuse_deflated(path: Path) -> None:
    """What is deflated may be of any size when it is inflated, and pydicom does that at once."""
    meta = pydicom.filereader.read_file_meta_info(path)
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        raise DataError(f"{path}: is deflated, which is not read. Convert it with gdcmconv --raw.")
