"""What a bundle is kept in: a zip archive or a folder. Both are read without trusting them."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from cmda_core.errors import DataError
from cmda_core.pipeline.bundle.names import safe_name

_ENCRYPTED = 0x1


class Container(Protocol):
    """Files by name."""

    def names(self) -> frozenset[str]:
        """All files; every name is safe to be joined to a folder."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """Open one of the files."""
        ...


@contextmanager
def opened_container(path: Path) -> Iterator[Container]:
    """A bundle's zip archive or folder.

    Raises:
        DataError: If it is neither, is damaged, or has a member that a bundle must not have.
    """
    try:
        if path.is_dir():
            yield _Folder(path)
        else:
            with ZipFile(path) as archive:
                yield _Archive(path, archive)
    except (BadZipFile, EOFError, OSError, ValueError, struct.error, NotImplementedError) as error:
        raise DataError(
            f"{path}: is not a bundle, or is damaged ({error}). Copy it again from where it was exported."
        ) from error


class _Archive:
    def __init__(self, path: Path, archive: ZipFile) -> None:
        self._archive = archive
        self._members: dict[str, ZipInfo] = {}
        for member in archive.infolist():
            name = _checked(member.orig_filename.removesuffix("/"), path)
            if not member.is_dir():
                _check_member(member, path)
                if self._members.setdefault(name, member) is not member:
                    raise DataError(f"{path}: {name!r} is there twice.")
        if sum(member.file_size for member in self._members.values()) > path.stat().st_size:
            raise DataError(f"{path}: its files claim to be larger than the bundle itself.")

    def names(self) -> frozenset[str]:
        return frozenset(self._members)

    def open(self, name: str) -> IO[bytes]:
        return self._archive.open(self._members[name])


def _check_member(member: ZipInfo, path: Path) -> None:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise DataError(f"{path}: {member.filename!r} is a link or a device. A bundle holds files only.")
    if member.flag_bits & _ENCRYPTED:
        raise DataError(f"{path}: {member.filename!r} is encrypted. A bundle is not.")
    # Nothing of a bundle gets smaller by compression, and what is stored cannot unpack to more.
    if member.compress_type != ZIP_STORED or member.compress_size != member.file_size:
        raise DataError(
            f"{path}: {member.filename!r} is compressed. Keep the bundle as 'cmda export' wrote it."
        )


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._names = frozenset(_walk(path))

    def names(self) -> frozenset[str]:
        return self._names

    def open(self, name: str) -> IO[bytes]:
        return (self._path / name).open("rb")


def _walk(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root, followlinks=False):
        for name in (*folders, *files):
            path = Path(folder) / name
            mode = path.lstat().st_mode
            if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
                raise DataError(f"{path}: is a link or a device. A bundle holds files only.")
            if stat.S_ISREG(mode):
                yield _checked(path.relative_to(root).as_posix(), root)


def _checked(name: str, path: Path) -> str:
    try:
        return safe_name(name)
    except (ValueError, UnicodeEncodeError) as error:
        raise DataError(f"{path}: {error}.") from None
