"""Volumes on the disk of which a few rows are read, without decoding or mapping the rest."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmda_core.errors import DataError
from cmda_core.volumes import open_slices


@dataclass(frozen=True, slots=True)
class Stack:
    """Where the voxels of a volume of shape ``(K, J, I)`` lie in its file.

    They are read, not mapped: a map is read from disk page by page, and the maps of all cases would fill
    the memory with pages that were used once.

    Attributes:
        path: An uncompressed NIfTI file.
        dtype: Type of its voxels.
        offset: Bytes before the first voxel.
        shape: ``(K, J, I)``.
        slope: What a voxel is multiplied by to give an intensity.
    """

    path: Path
    dtype: np.dtype[Any]
    offset: int
    shape: tuple[int, ...]
    slope: float

    @classmethod
    def of(cls, path: Path) -> Stack:
        """Read the header of a file.

        Raises:
            DataError: If the file is missing, compressed, damaged or not a NIfTI file.
        """
        stack, slope = open_slices(path)
        return cls(path, stack.dtype, stack.offset, stack.shape, slope)

    def asked(self, slices: Sequence[int], top: int, rows: int) -> Rows:
        """Have the system fetch rows of adjacent slices.

        Args:
            slices: Indices along K, without gaps; one may be named twice.
            top: First row of each slice.
            rows: How many rows.

        Raises:
            DataError: If the file cannot be opened any more.
        """
        return Rows(self, slices, top, rows)


class Rows:
    """Rows of adjacent slices on their way from the disk; a context manager that closes the file."""

    def __init__(self, stack: Stack, slices: Sequence[int], top: int, rows: int) -> None:
        _, height, width = stack.shape
        self._path = stack.path
        self._slices = slices
        self._found = np.empty((max(slices) - min(slices) + 1, rows, width), stack.dtype)
        # Whole slices lie side by side.
        self._blocks = self._found[np.newaxis] if rows == height else self._found
        row = width * stack.dtype.itemsize
        self._places = [
            stack.offset + ((min(slices) + place) * height + top) * row for place in range(len(self._blocks))
        ]
        with self._readable():
            self._stream = stack.path.open("rb", buffering=0)
            for place, block in zip(self._places, self._blocks, strict=True):
                _fetch(self._stream, place, block.nbytes)

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def read(self) -> NDArray[Any]:
        """Wait for the rows: ``(slices, rows, I)``, in the file's own type.

        Raises:
            DataError: If the file has become shorter or cannot be read any more.
        """
        with self._readable():
            for place, block in zip(self._places, self._blocks, strict=True):
                self._stream.seek(place)
                if self._stream.readinto(memoryview(block).cast("B")) != block.nbytes:
                    raise OSError("it has become shorter")
        if len(self._found) == len(self._slices):
            return self._found
        return self._found[[index - min(self._slices) for index in self._slices]]

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DataError(
                f"{self._path}: cannot be read any more ({error}). Prepare the data again."
            ) from error


def _fetch(stream: FileIO, place: int, count: int) -> None:
    """Have the system fetch bytes ahead of their reading, where it can be told to."""
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):  # a hint, which not every file system takes
            os.posix_fadvise(stream.fileno(), place, count, os.POSIX_FADV_WILLNEED)
