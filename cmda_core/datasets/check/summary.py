"""Says in a few lines what a check came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cmda_core.datasets.check import Check
from cmda_core.datasets.check.finding import Finding, ScanFacts
from cmda_core.datasets.dataset import Dataset

COLUMNS = (
    "cohort",
    "cases",
    "modality",
    "voxels",
    "spacing mm",
    "orientation",
    "centre",
    "labels mm³",
    "grades",
)

MOST_ALIKE = 5
"""Warnings of one kind that are written out."""


def table(check: Check) -> list[list[str]]:
    """A row per cohort: ranges of what was found, in the order of ``COLUMNS``."""
    return [_row(name, scans) for name, scans in check.scans.items()]


def lines(check: Check, root: Path) -> Iterator[str]:
    """A line per finding, errors first; of many warnings of one kind the first few."""
    for severity in ("error", "warning"):
        shown: Counter[str] = Counter()
        for finding in check.findings:
            if finding.severity != severity:
                continue
            shown[finding.kind] += 1
            if severity == "error" or shown[finding.kind] <= MOST_ALIKE:
                yield f"{severity}: {_where(finding, root)}: {finding.message}"
        if severity == "warning":
            for kind, count in shown.items():
                if count > MOST_ALIKE:
                    yield f"warning: {count - MOST_ALIKE} more on {kind}; --json lists all."
    yield f"{check.errors} errors, {len(check.findings) - check.errors} warnings"


def as_json(check: Check, dataset: Dataset) -> dict[str, Any]:
    """Everything, as JSON-like values."""
    return {
        "layout": dataset.layout,
        "cases": {cohort.name: len(cohort) for cohort in dataset.cohorts},
        "scans": [one.as_json(name) for name, scans in check.scans.items() for one in scans],
        "findings": [
            {"case": f.case, "severity": f.severity, "kind": f.kind, "file": f.file, "message": f.message}
            for f in check.findings
        ],
        "pictures": [str(path) for path in check.pictures],
    }


def _row(name: str, scans: Sequence[ScanFacts]) -> list[str]:
    grids = [one.grid for one in scans if one.grid is not None]
    grades = Counter(one.case.grade for one in scans if one.case.grade is not None)
    return [
        name,
        str(len(scans)),
        _counted(Counter(one.case.modality for one in scans), bare=True),
        _ranges([grid.shape for grid in grids], "{:.0f}"),
        _ranges([grid.spacing for grid in grids], "{:.2f}"),
        _counted(Counter(one.orientation for one in scans if one.orientation)),
        _counted(Counter(one.case.centre for one in scans if one.case.centre)),
        _volumes(scans),
        " ".join(f"{grade}:{grades[grade]}" for grade in sorted(grades)) or "-",
    ]


def _ranges(values: Sequence[Sequence[float]], form: str) -> str:
    """From the least to the most along each axis."""
    if not values:
        return "-"
    parts = []
    for axis in zip(*values, strict=True):
        low, high = form.format(min(axis)), form.format(max(axis))
        parts.append(low if low == high else f"{low}–{high}")
    return " × ".join(parts)


def _counted(counts: Counter[Any], *, bare: bool = False) -> str:
    if bare and len(counts) == 1:
        return str(next(iter(counts)))
    return ", ".join(f"{value} {count}" for value, count in counts.most_common()) or "-"


def _volumes(scans: Sequence[ScanFacts]) -> str:
    """Least and greatest volume of each structure, and in how many label maps it is."""
    names = dict.fromkeys(name for one in scans for name in one.volumes_mm3)
    parts = []
    for name in names:
        found = [one.volumes_mm3[name] for one in scans if name in one.volumes_mm3]
        parts.append(f"{name} {min(found):.0f}–{max(found):.0f} ({len(found)})")
    return ", ".join(parts) or "-"


def _where(finding: Finding, root: Path) -> str:
    return str(finding.file or finding.case or root)
