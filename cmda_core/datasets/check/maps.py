"""Looks at the label maps of a case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmda_core.datasets.check.finding import Finding, error, warning
from cmda_core.datasets.labels import in_task_labels, unknown_values
from cmda_core.schema import Case, Task
from cmda_core.volumes import LabelVolume, Volume

SIGNALLESS = 0.5
"""Share of a structure that may lie where the scan has no signal."""


def label_findings(
    case: Case,
    path: Path,
    labels: LabelVolume,
    scan: Volume | None,
    task: Task,
    values: Mapping[int, int] | None,
) -> tuple[LabelVolume, list[Finding]]:
    """What is wrong with the label map of a case.

    Args:
        case: Whose it is.
        path: The file.
        labels: As the file holds them.
        scan: The image on the same grid, if it can be read.
        task: Names the structures.
        values: Label of the task by value of the file.

    Returns:
        The labels of the task; and the findings.
    """
    known = {label: label for label in task.structures.values()} if values is None else values
    mapped = in_task_labels(labels, known)
    return mapped, list(_findings(case, path, labels, mapped, scan, task, known))


def volumes_mm3(labels: LabelVolume, task: Task) -> dict[str, float]:
    """Volume of each structure that is there."""
    voxel = float(np.abs(np.linalg.det(labels.affine[:3, :3])))
    counts = np.bincount(labels.voxels.ravel(), minlength=256)
    return {name: float(counts[label]) * voxel for name, label in task.structures.items() if counts[label]}


def _findings(
    case: Case,
    path: Path,
    labels: LabelVolume,
    mapped: LabelVolume,
    scan: Volume | None,
    task: Task,
    known: Mapping[int, int],
) -> Iterator[Finding]:
    if unknown := unknown_values(labels, known):
        message = f"has the values {unknown}; expected {_expected(task, known)}."
        yield error(case, path, message, "labels")
    if not mapped.voxels.any():
        yield error(case, path, "holds no label at all. Is this an unfinished segmentation?", "labels")
        return
    for name, label in task.structures.items():
        mask = mapped.voxels == label
        if not mask.any():
            yield warning(case, path, f"has no {name} (label {_of(label, known)}).", "labels")
            continue
        if _at_the_edge(mask):
            yield warning(case, path, f"{name} reaches the edge of the scan and may be cut off.", "labels")
        if scan is not None and (dark := _share_without_signal(mask, scan)) > SIGNALLESS:
            message = f"{dark:.0%} of {name} lie where the scan has no signal. Do the two belong together?"
            yield warning(case, path, message, "labels")


def _expected(task: Task, known: Mapping[int, int]) -> str:
    return ", ".join(f"{_of(label, known)} {name}" for name, label in task.structures.items())


def _of(label: int, known: Mapping[int, int]) -> str:
    """The values in the file of a label of the task."""
    return "+".join(str(value) for value, becomes in known.items() if becomes == label)


def _at_the_edge(mask: NDArray[np.bool_]) -> bool:
    faces = (mask[0], mask[-1], mask[:, 0], mask[:, -1], mask[:, :, 0], mask[:, :, -1])
    return any(bool(face.any()) for face in faces)


def _share_without_signal(mask: NDArray[np.bool_], scan: Volume) -> float:
    return float(np.mean(scan.voxels[mask] <= max(float(scan.voxels.min()), 0.0)))
