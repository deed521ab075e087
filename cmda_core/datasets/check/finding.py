"""What a check finds: facts of every scan, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from cmda_core.schema import Case
from cmda_core.volumes import Grid

Severity = Literal["error", "warning"]
Kind = Literal[
    "file",
    "grid",
    "orientation",
    "spacing",
    "field of view",
    "intensities",
    "labels",
    "duplicate",
    "leak",
    "partner",
    "grades",
]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a dataset.

    Attributes:
        case: The case; empty if it concerns a cohort or a file without a case.
        severity: With an *error* the case cannot be used; a *warning* is worth a look.
        file: The file that it concerns, if it is one.
        message: What is wrong, and how to mend it.
        kind: What it is about.
    """

    case: str
    severity: Severity
    file: Path | None
    message: str
    kind: Kind = "file"


@dataclass(frozen=True, slots=True)
class Intensities:
    """The intensities of a scan.

    Attributes:
        low: Lowest.
        high: Highest.
        zero: Share of the voxels that are 0.
        negative: Share of the voxels below 0.
        highest: Share of the voxels that have the highest intensity.
        different: Number of different intensities in a sample of the voxels.
    """

    low: float
    high: float
    zero: float
    negative: float
    highest: float
    different: int


@dataclass(frozen=True, slots=True)
class ScanFacts:
    """What was read of a case.

    Attributes:
        case: The case.
        grid: Of the image, if it can be read.
        orientation: Where its axes point, such as ``LPS``.
        intensities: Of the image.
        volumes_mm3: Volume of each structure in the label map.
        digest: Of the image's intensities, whatever the order of its axes.
        float_labels: Whether the label map is stored as floating-point numbers.
    """

    case: Case
    grid: Grid | None = None
    orientation: str = ""
    intensities: Intensities | None = None
    volumes_mm3: Mapping[str, float] = field(default_factory=dict)
    digest: str = ""
    float_labels: bool = False

    def as_json(self, cohort: str) -> dict[str, Any]:
        """The same as JSON-like values."""
        return {
            "cohort": cohort,
            "case": self.case.id,
            "subject": self.case.subject,
            "modality": self.case.modality,
            "centre": self.case.centre,
            "grade": self.case.grade,
            "image": str(self.case.image),
            "voxels": self.grid and list(self.grid.shape),
            "spacing_mm": self.grid and [round(edge, 4) for edge in self.grid.spacing],
            "orientation": self.orientation or None,
            "intensities": self.intensities and asdict(self.intensities),
            "volumes_mm3": {name: round(volume, 1) for name, volume in self.volumes_mm3.items()},
        }


def error(case: Case, path: Path, message: str, kind: Kind) -> Finding:
    """With it the case cannot be used."""
    return Finding(case.id, "error", path, message.removeprefix(f"{path}: "), kind)


def warning(case: Case, path: Path, message: str, kind: Kind) -> Finding:
    """Worth a look."""
    return Finding(case.id, "warning", path, message, kind)


def some(names: list[str]) -> str:
    """The first of many names."""
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
