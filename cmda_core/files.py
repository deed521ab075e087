"""Writes files so that a half-written one is never seen under its final name."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cmda_core.errors import OutputError

SAFE_ENDINGS = (".safetensors", ".json", ".yaml", ".csv", ".txt", ".nii", ".nii.gz")
"""Formats that hold data and cannot hold code; what plugins save, and what bundles take."""


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
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise _not_written(path, error) from error
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
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        temporary.rename(path)
    except OSError as error:
        raise _not_written(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _not_written(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(f"{path}: cannot be written ({reason}). Free some space, or choose another folder.")


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
