"""Writes files so that a half-written one is never seen under its final name."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cmda_core.errors import DataError, OutputError

SAFE_ENDINGS = (".safetensors", ".json", ".yaml", ".csv", ".txt", ".nii", ".nii.gz")
"""Formats that hold data and cannot hold code; what plugins save, and what bundles take."""

LOG_BYTES = 1_000_000
"""Size from which a log is begun anew, when it is next opened."""

DISK_ERRORS: dict[int, str] = {
    errno.ENOSPC: "Free some space, or choose another folder.",
    errno.EDQUOT: "Free some of your quota, or choose another folder.",
    errno.EROFS: "The disk can only be read: choose another folder.",
    errno.EIO: "The disk or the network failed: look at its state, and try again.",
    errno.ESTALE: "The disk or the network failed: look at its state, and try again.",
}
"""What to do about an error that no program can mend, wherever it comes up."""

REFUSED: dict[int, str] = DISK_ERRORS | {
    errno.EACCES: "Ask for the permission to write there, or choose another folder.",
    errno.EPERM: "Ask for the permission to write there, or choose another folder.",
    errno.ENAMETOOLONG: "Choose a folder with a shorter path, or shorten the names of the cases.",
    errno.ELOOP: "A symbolic link on the way leads to itself: mend the link.",
    errno.EMFILE: "Raise the limit of open files (ulimit -n).",
}
_TEMPORARY = re.compile(r"\.\d+\..+")
_LONGEST_TAIL = 60
"""Characters of the final name that the temporary one keeps: file systems take 255 bytes, of which a
character may need four."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say of a block's system errors that a file or folder could not be written.

    Raises:
        OutputError: If the block fails (full disk, read-only folder, no permission, too long a name).
    """
    try:
        yield
    except OSError as error:
        raise not_written(path, error) from error


def is_there(path: Path) -> bool:
    """Whether a name, however odd, is that of a file."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # longer than names can be, or with a zero byte in it
        return False


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; it takes the place of ``path`` if the block succeeds.

    The temporary name ends in the suffixes of ``path``, because libraries choose the format by them.

    Args:
        path: Final place of the file; missing parent folders are made.

    Raises:
        OutputError: If the file cannot be written (full disk, read-only folder, no permission).
            What was at ``path`` before is still there.
    """
    temporary = _temporary(path)
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _flush(temporary)
            os.replace(temporary, path)
    finally:
        with suppress(OSError):  # its folder may be what could not be made: the error above tells
            temporary.unlink()


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give a new folder beside ``path``; it becomes ``path`` if the block succeeds.

    Args:
        path: Final place of the folder, where nothing may be; missing parent folders are made.

    Raises:
        OutputError: If the folder cannot be written. Nothing of it is left behind.
    """
    temporary = _temporary(path)
    try:
        with writing(path):
            # Left by a killed process of the same number, as the first one of every container is.
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            yield temporary
            temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def rotate(path: Path) -> None:
    """Move a log of more than ``LOG_BYTES`` to ``<name>.1.<ending>``, in place of the one moved before.

    Raises:
        OutputError: If it cannot be moved.
    """
    if path.exists() and path.stat().st_size > LOG_BYTES:
        with writing(path):
            os.replace(path, path.with_name(f"{path.stem}.1{path.suffix}"))


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes were writing; no other process may be working in the folder."""
    for place, folders, names in os.walk(folder):
        for name in filter(_TEMPORARY.fullmatch, names):
            with suppress(OSError):
                Path(place, name).unlink()
        for name in filter(_TEMPORARY.fullmatch, folders):
            shutil.rmtree(Path(place, name), ignore_errors=True)
        folders[:] = [name for name in folders if not _TEMPORARY.fullmatch(name)]


def real_path(path: Path) -> Path:
    """The absolute path, without symbolic links; there need be nothing.

    Raises:
        DataError: If a link leads to itself, or the system takes no such path.
    """
    try:
        real = path.resolve()
        real.exists()
    except RuntimeError as error:  # what Python 3.11 and 3.12 say of a loop
        raise DataError(f"{path}: a symbolic link on the way leads to itself. Mend the link.") from error
    except OSError as error:
        hint = REFUSED.get(error.errno or 0, "Is it the right one?")
        raise DataError(f"{path}: no such path can be ({error.strerror}). {hint}") from error
    return real


def not_written(path: Path | str, error: OSError) -> OutputError:
    """What to say of a file or folder that could not be written."""
    reason = error.strerror or str(error)
    hint = REFUSED.get(error.errno or 0, DISK_ERRORS[errno.ENOSPC])
    return OutputError(f"{path}: cannot be written ({reason}). {hint}")


def _temporary(path: Path) -> Path:
    return path.with_name(f".{os.getpid()}.{path.name[-_LONGEST_TAIL:].lstrip('.')}")


def _flush(path: Path) -> None:
    """Wait until a file is on the disk: after a power failure its name must not lead to nothing."""
    with path.open("rb") as stream:
        try:
            os.fsync(stream.fileno())
        except OSError as error:  # some network file systems cannot promise it
            if error.errno in DISK_ERRORS:
                raise


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all.

    Raises:
        OutputError: If the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, content: object) -> None:
    """Write an indented JSON file, whole or not at all.

    Raises:
        OutputError: If the file cannot be written.
    """
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
