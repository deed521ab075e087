"""Pseudo-labels: what a teacher's segmentation of a scan is worth, and which scans a student learns from."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmda_core.errors import DataError
from cmda_core.files import replacing
from cmda_core.protocols import Segmentation
from cmda_core.schema import SelfTraining, Task
from cmda_core.volumes import LabelVolume
from cmda_core.volumes.components import largest_components

PSEUDO_LABELS = "pseudo-labels.csv"
"""In the folder of the stage: one row per scan and structure."""

_ROUNDING = 1e-9
"""0.29 of 100 scans are 29, and not 28.999999999999996."""

_COLUMNS = ("case", "structure", "confidence", "volume_mm3", "uncertain", "kept", "reason")


@dataclass(frozen=True, slots=True)
class PseudoLabel:
    """What a teacher found in one scan.

    Attributes:
        case: Identifier of the scan.
        confidence: Mean probability of each structure over the voxels that have its label, 0 to 1; 0 for
            a structure that was not found. Uncertain voxels count.
        volume_mm3: Volume of each structure, without uncertain voxels.
        uncertain: Share of the scan's voxels that are uncertain.
    """

    case: str
    confidence: Mapping[str, float]
    volume_mm3: Mapping[str, float]
    uncertain: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a student learns from a scan.

    Attributes:
        label: What was found in it.
        reason: Why it is left out; empty if it is kept.
    """

    label: PseudoLabel
    reason: str

    @property
    def kept(self) -> bool:
        """Whether it is kept."""
        return not self.reason


def ignore_label(task: Task) -> int:
    """Label of voxels that a student learns nothing from."""
    return len(task.structures) + 1


def ignores(settings: SelfTraining) -> bool:
    """Whether students are given voxels to ignore."""
    return settings.voxel_confidence > 0 and settings.uncertain == "ignore"


def components_of(settings: SelfTraining, task: Task) -> dict[str, int]:
    """How many components each structure may have; those that are not named keep all."""
    if settings.components is not None:
        return dict(settings.components)
    return {name: count for name, count in ((task.tumour, 1), ("cochlea", 2)) if name in task.structures}


def make_pseudo_label(
    segmentation: Segmentation, task: Task, settings: SelfTraining
) -> tuple[LabelVolume, PseudoLabel]:
    """Clean a teacher's segmentation and measure how far it can be trusted.

    Args:
        segmentation: Of a prepared target scan.
        task: Its structures.
        settings: How many components stay, and what becomes of uncertain voxels.

    Returns:
        Labels for a student's training, and what is known of them.
    """
    labels = segmentation.labels
    voxels = labels.voxels.copy()
    for name, count in components_of(settings, task).items():
        mask = voxels == task.structures[name]
        voxels[mask & ~largest_components(mask, count)] = 0
    confidence = {
        name: _mean(segmentation.probabilities[label], voxels == label)
        for name, label in task.structures.items()
    }
    unsure = segmentation.probabilities.max(axis=0) < settings.voxel_confidence
    voxels[unsure] = ignore_label(task) if ignores(settings) else 0
    voxel_mm3 = math.prod(labels.spacing)
    volume = {
        name: int(np.count_nonzero(voxels == label)) * voxel_mm3 for name, label in task.structures.items()
    }
    found = PseudoLabel(labels.case, confidence, volume, float(unsure.mean()))
    return LabelVolume(voxels, labels.affine, labels.case), found


def choose_scans(labels: Sequence[PseudoLabel], settings: SelfTraining) -> list[Verdict]:
    """Decide from which scans a student learns, in their order.

    A scan must have all structures (if ``complete``), each certain enough; of those that are left, at
    most ``share`` of all scans are kept.
    """
    reasons = {label.case: _objection(label, settings) for label in labels}
    sound = [label for label in labels if not reasons[label.case]]
    most = max(1, math.floor(settings.share * len(labels) + _ROUNDING))
    ranked = sorted(sound, key=_confidence, reverse=True)
    for label in ranked[most:]:
        reasons[label.case] = f"not among the {most} most confident"
    return [Verdict(label, reasons[label.case]) for label in labels]


def write_verdicts(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Write one row per scan and structure.

    Raises:
        OutputError: If the file cannot be written.
    """
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(_COLUMNS)
        for verdict in verdicts:
            label = verdict.label
            for name, confidence in label.confidence.items():
                figures = (f"{confidence:.6f}", f"{label.volume_mm3[name]:.3f}", f"{label.uncertain:.6f}")
                rows.writerow([label.case, name, *figures, int(verdict.kept), verdict.reason])


def read_verdicts(path: Path) -> list[Verdict]:
    """Read what ``write_verdicts`` wrote.

    Raises:
        DataError: If the file is damaged.
    """
    by_case: dict[str, list[dict[str, str]]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                by_case.setdefault(row["case"], []).append(row)
        return [_verdict(case, rows) for case, rows in by_case.items()]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise DataError(f"{path}: is no table of pseudo-labels ({error}). Run the stage again.") from error


def _verdict(case: str, rows: Sequence[Mapping[str, str]]) -> Verdict:
    confidence = {row["structure"]: float(row["confidence"]) for row in rows}
    volume = {row["structure"]: float(row["volume_mm3"]) for row in rows}
    return Verdict(PseudoLabel(case, confidence, volume, float(rows[0]["uncertain"])), rows[0]["reason"])


def _mean(probabilities: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    return float(probabilities[mask].mean(dtype=np.float64)) if mask.any() else 0.0


def _objection(label: PseudoLabel, settings: SelfTraining) -> str:
    missing = [name for name, volume in label.volume_mm3.items() if not volume]
    if missing and (settings.complete or len(missing) == len(label.volume_mm3)):
        return " and ".join(_absence(name, label) for name in missing)
    name = min(_found(label), key=lambda name: label.confidence[name])
    if label.confidence[name] < settings.min_confidence:
        return f"{name} is uncertain ({label.confidence[name]:.2f})"
    return ""


def _absence(name: str, label: PseudoLabel) -> str:
    return f"no voxel of {name} is certain" if label.confidence[name] else f"{name} not found"


def _confidence(label: PseudoLabel) -> float:
    return min(label.confidence[name] for name in _found(label))


def _found(label: PseudoLabel) -> list[str]:
    return [name for name, volume in label.volume_mm3.items() if volume]
