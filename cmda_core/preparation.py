"""How far each prepared scan can be trusted: the table of it, and the word to the user."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cmda_core.errors import DataError
from cmda_core.files import replacing
from cmda_core.progress import Progress

QUALITY_FILE = "quality.csv"
"""In the folder of the prepared scans."""

_KEYS = ("cohort", "case", "modality")


@dataclass(frozen=True, slots=True)
class CaseQuality:
    """What the preprocessor says of one scan.

    Attributes:
        cohort: ``source``, ``target`` or ``test``.
        case: Identifier of the case.
        modality: Of the scan.
        figures: By name; which ones there are depends on the preprocessor.
        concerns: What speaks against trusting it; empty for most scans.
    """

    cohort: str
    case: str
    modality: str
    figures: Mapping[str, float]
    concerns: tuple[str, ...]


def note_concerns(progress: Progress, case: str, modality: str, concerns: Sequence[str]) -> None:
    """Tell the user what speaks against a scan, if anything does."""
    if concerns:
        progress.note(f"case {case} ({modality}): {'; '.join(concerns)}")


def write_quality(path: Path, cases: Sequence[CaseQuality]) -> None:
    """Write one row per scan: cohort, case, modality, the figures, the concerns.

    Raises:
        OutputError: If the file cannot be written.
    """
    names = list(dict.fromkeys(name for case in cases for name in case.figures))
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow([*_KEYS, *names, "concerns"])
        for case in cases:
            figures = (f"{case.figures[name]:.6g}" if name in case.figures else "" for name in names)
            rows.writerow([case.cohort, case.case, case.modality, *figures, "; ".join(case.concerns)])


def read_quality(path: Path) -> list[CaseQuality]:
    """Read what ``write_quality`` wrote; nothing if the file is not there.

    Raises:
        DataError: If the file is damaged.
    """
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            return [_parse(row) for row in csv.DictReader(stream)]
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise DataError(f"{path}: is damaged ({error}). Run the stage 'prepare' again.") from error


def _parse(row: Mapping[str, str]) -> CaseQuality:
    figures = {
        name: float(value) for name, value in row.items() if name not in (*_KEYS, "concerns") and value
    }
    concerns = tuple(row["concerns"].split("; ")) if row["concerns"] else ()
    return CaseQuality(row["cohort"], row["case"], row["modality"], figures, concerns)
