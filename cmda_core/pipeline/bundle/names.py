"""Names that files of a bundle may have."""

from __future__ import annotations

from cmda_core.files import SAFE_ENDINGS

MANIFEST = "bundle.json"

_LONGEST = 200  # bytes; file systems allow 255, and files are written aside under longer names


def safe_name(name: str) -> str:
    """Let a name pass that stays in the bundle's folder on every system.

    Args:
        name: Relative, with ``/`` between folders.

    Raises:
        ValueError: With what is wrong.
    """
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "\\" in name or ":" in name:
        raise ValueError(f"{name!r} leads out of the bundle's folder")
    if not name.isprintable() or any(part in ("", ".") for part in parts):
        raise ValueError(f"{name!r} is not a name of a file")
    if max(len(part.encode()) for part in parts) > _LONGEST:
        raise ValueError(f"{name[:40]!r}… is too long a name")
    return name


def data_name(name: str) -> str:
    """Let a safe name of a file pass whose format holds data only.

    Raises:
        ValueError: With what is wrong.
    """
    if not safe_name(name).lower().endswith(SAFE_ENDINGS):
        raise ValueError(f"{name!r}: a bundle takes {', '.join(SAFE_ENDINGS)} files only")
    return name
