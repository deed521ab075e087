"""What all pages of a report share: the templates, the style sheet and the scripts."""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from cmda_core.files import write_text

ASSETS = "assets"
"""Folder of the style sheets and scripts, in the package and in a report."""

PAGE_ASSETS = ("style.css", "theme.js", "tables.js")
"""Of every page."""

NOTHING = "\N{EN DASH}"
"""Shown in place of a number that there is not."""


def environment() -> Environment:
    """The templates; whatever they show is escaped."""
    made = Environment(
        loader=PackageLoader("cmda_core.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(decimals=decimals, duration=duration)
    made.globals["version"] = importlib.metadata.version("cmda")
    return made


def write_assets(report: Path, names: Sequence[str] = PAGE_ASSETS) -> None:
    """Put style sheets and scripts beside the pages that use them.

    Raises:
        OutputError: If a file cannot be written.
    """
    folder = files("cmda_core.reporting") / "templates" / ASSETS
    for name in names:
        write_text(report / ASSETS / name, (folder / name).read_text(encoding="utf-8"))


def remove_others(folder: Path, written: set[Path]) -> None:
    """Remove what an earlier report left in a folder."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in written:
            path.unlink()


def decimals(value: float | None, digits: int) -> str:
    """A number for a table; a dash where there is none."""
    return NOTHING if value is None or math.isnan(value) else f"{value:.{digits}f}"


def duration(seconds: float | None) -> str:
    """Seconds as people say them; a dash where there are none."""
    if seconds is None:
        return NOTHING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
