"""Names that become names of files and folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

LONGEST = 180
"""Bytes; file systems allow 255, and endings are added."""

_LONGEST_PART = 255


def plain_name(name: str) -> str:
    """Let a name pass that stays in its folder as the name of a file.

    Raises:
        ValueError: With what is wrong.
    """
    if not name.strip():
        raise ValueError("the name is empty")
    if "/" in name or name.startswith("."):
        raise ValueError(f"{name[:LONGEST]!r} holds a / or begins with a dot, as no name of a file may here")
    if not name.isprintable():
        raise ValueError(f"{name[:LONGEST]!r} holds characters that cannot be printed")
    if len(name.encode(errors="replace")) > LONGEST:
        raise ValueError(f"{name[:20]!r}… is longer than {LONGEST} bytes")
    return name


def plain_path(path: Path) -> Path:
    """Let a path pass that a system can look up.

    Raises:
        ValueError: With what is wrong.
    """
    if "\0" in str(path):
        raise ValueError("a path cannot hold a zero byte")
    if max((len(part.encode(errors="replace")) for part in path.parts), default=0) > _LONGEST_PART:
        raise ValueError(f"a name in a path cannot be longer than {_LONGEST_PART} bytes")
    return path


PlainPath = Annotated[Path, AfterValidator(plain_path)]
"""Of a file or a folder, which need not be there."""

PlainName = Annotated[str, AfterValidator(plain_name)]
"""Part of the names of files."""
