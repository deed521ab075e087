"""Looks for what is wrong with a dataset before hours are spent on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from joblib import Parallel, delayed

from cmda_core.datasets.dataset import Dataset
from cmda_core.errors import CmdaError
from cmda_core.progress import Progress, Silent
from cmda_core.schema import Case, Cohort, Task
from cmda_core.volumes import Grid, read_labels, read_volume, require_same_grid
from cmda_core.volumes.nifti import stored_as_float

SPACING_RATIO = 3.0
"""A voxel edge this many times longer or shorter than is usual in the cohort is worth a look."""

FIELD_RATIO = 0.5
"""A scan whose slices cover less than this share of what is usual in the cohort is worth a look."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a dataset.

    Attributes:
        case: The case; empty if it concerns a cohort or a file without a case.
        severity: With an *error* the case cannot be used; a *warning* is worth a look.
        file: The file that it concerns, if it is one.
        message: What is wrong, and how to mend it.
    """

    case: str
    severity: Literal["error", "warning"]
    file: Path | None
    message: str


@dataclass(frozen=True, slots=True)
class _Checked:
    case: Case
    findings: tuple[Finding, ...]
    grid: Grid | None
    float_labels: bool


def check_dataset(
    dataset: Dataset, task: Task, *, jobs: int = 1, progress: Progress | None = None
) -> list[Finding]:
    """Read every file of a dataset and collect what is wrong with it.

    One case is held in memory per process.

    Args:
        dataset: What a reader found.
        task: Which labels may occur.
        jobs: Processes; -1 takes one per core.
        progress: Where to show how far the check has come.

    Returns:
        Findings in the order of the cases; those on whole cohorts last.
    """
    cases = [case for cohort in dataset.cohorts for case in cohort]
    checked = []
    with (progress or Silent()).task("check", len(cases)) as advance:
        calls = (delayed(_check_case)(case, task) for case in cases)
        for result in Parallel(n_jobs=jobs, return_as="generator")(calls):
            checked.append(result)
            advance(1)
    findings = [finding for result in checked for finding in result.findings]
    for cohort in dataset.cohorts:
        ids = {case.id for case in cohort}
        modality = {case.modality for case in cohort}
        members = [one for one in checked if one.case.id in ids and one.case.modality in modality]
        findings += _unusual_grids(members)
    findings += _unpaired(dataset, task)
    findings += _ungraded(dataset.source)
    findings += _stored_as_float(checked)
    return findings


def _check_case(case: Case, task: Task) -> _Checked:
    findings: list[Finding] = []
    grid, float_labels = None, False
    try:
        scan = read_volume(case.image, case.modality, case.id)
        grid = scan.grid
        if scan.voxels.min() == scan.voxels.max():
            findings.append(_error(case, case.image, "all voxels have the same intensity. Export it again."))
    except CmdaError as error:
        findings.append(_error(case, case.image, str(error)))
    for path in (case.labels, case.parcellation):
        if path is None:
            continue
        try:
            labels = read_labels(path, case.id)
            if grid is not None:
                require_same_grid(grid, labels.grid, (str(case.image), str(path)))
        except CmdaError as error:
            findings.append(_error(case, path, str(error)))
            continue
        if path == case.labels:
            findings += _label_values(case, path, labels.voxels, task)
            float_labels = stored_as_float(path)
    return _Checked(case, tuple(findings), grid, float_labels)


def _label_values(case: Case, path: Path, voxels: np.ndarray, task: Task) -> Iterator[Finding]:
    present = {int(label) for label in np.unique(voxels)} - {0}
    if unknown := present - set(task.structures.values()):
        known = ", ".join(f"{value} {name}" for name, value in task.structures.items())
        yield _error(case, path, f"has the labels {sorted(unknown)}; the task knows {known}.")
    if not present:
        yield _error(case, path, "holds no label at all. Is this an unfinished segmentation?")
        return
    for name, value in task.structures.items():
        if value not in present:
            yield Finding(case.id, "warning", path, f"has no {name} (label {value}).")


def _unusual_grids(checked: Sequence[_Checked]) -> Iterator[Finding]:
    placed = [(one.case, one.grid) for one in checked if one.grid is not None]
    if not placed:
        return
    spacings = np.array([sorted(grid.spacing) for _, grid in placed])
    usual = np.median(spacings, axis=0)
    fields = np.array([_slice_field(grid) for _, grid in placed])
    usual_field = float(np.median(fields))
    for (case, grid), spacing, field in zip(placed, spacings, fields, strict=True):
        if (np.maximum(spacing / usual, usual / spacing) > SPACING_RATIO).any():
            found = " x ".join(f"{edge:.3g}" for edge in grid.spacing)
            expected = " x ".join(f"{edge:.3g}" for edge in usual)
            yield Finding(
                case.id, "warning", case.image, f"voxels of {found} mm; usual in this cohort: {expected} mm."
            )
        if field < FIELD_RATIO * usual_field:
            yield Finding(
                case.id,
                "warning",
                case.image,
                f"slices cover {field:.0f} mm; usual in this cohort: {usual_field:.0f} mm. "
                "Structures may lie outside.",
            )


def _slice_field(grid: Grid) -> float:
    """Extent across the slices, mm; slices are taken to be stacked along the longest voxel edge."""
    axis = int(np.argmax(grid.spacing))
    return grid.shape[axis] * grid.spacing[axis]


def _unpaired(dataset: Dataset, task: Task) -> Iterator[Finding]:
    for path in dataset.unpaired:
        is_scan = f"_{task.source}." in path.name
        missing = "its label map" if is_scan else "the scan that it belongs to"
        yield Finding("", "error" if is_scan else "warning", path, f"{missing} is missing; it is not used.")


def _ungraded(cohort: Cohort) -> Iterator[Finding]:
    ungraded = [case.id for case in cohort if case.grade is None]
    if ungraded:
        yield Finding(
            "",
            "warning",
            None,
            f"{len(ungraded)} of {len(cohort)} {cohort.name} cases have no Koos grade ({_some(ungraded)}); "
            "they are left out of the grading.",
        )


def _stored_as_float(checked: Sequence[_Checked]) -> Iterator[Finding]:
    names = [one.case.id for one in checked if one.float_labels]
    if names:
        yield Finding(
            "",
            "warning",
            None,
            f"{len(names)} label maps are stored as floating-point numbers ({_some(names)}); "
            "they are rounded when they are read.",
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _error(case: Case, path: Path, message: str) -> Finding:
    return Finding(case.id, "error", path, message.removeprefix(f"{path}: "))
