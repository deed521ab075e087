"""Compares the scans of a cohort with each other: what is unusual, what is there twice."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from cmda_core.datasets.check.finding import Finding, ScanFacts, Severity, some, warning
from cmda_core.datasets.dataset import Dataset
from cmda_core.schema import Cohort
from cmda_core.volumes import Grid

SPACING_RATIO = 3.0
"""A voxel edge this many times longer or shorter than is usual in the cohort is worth a look."""

FIELD_RATIO = 0.5
"""A scan whose slices cover less than this share of what is usual in the cohort is worth a look."""

_MAP = re.compile(r".*_(Label|GIFoutput|dseg)\.nii(\.gz)?")
_LONDON = re.compile(r"crossmoda(2021_ldn)?_\d+|crossmoda2023_ldn_\d+")
_TCIA = re.compile(r"VS-SEG-\d+")


def unusual_grids(scans: Sequence[ScanFacts]) -> Iterator[Finding]:
    """Spacings and fields of view that stand out in a cohort."""
    placed = [(one.case, one.grid) for one in scans if one.grid is not None]
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
            message = f"voxels of {found} mm; usual in this cohort: {expected} mm."
            yield warning(case, case.image, message, "spacing")
        if field < FIELD_RATIO * usual_field:
            message = (
                f"slices cover {field:.0f} mm; usual in this cohort: {usual_field:.0f} mm. "
                "Structures may lie outside."
            )
            yield warning(case, case.image, message, "field of view")


def smaller_than_region(
    cohort: str, scans: Sequence[ScanFacts], region_mm: tuple[float, float, float]
) -> Iterator[Finding]:
    """Scans that do not fill the region that the preprocessor cuts out of them.

    Args:
        cohort: Its name.
        scans: Its scans.
        region_mm: Edges of the region from right to left, front to back and foot to head, mm.
    """
    short = []
    for one in scans:
        if one.grid is not None:
            extent = _extent_mm(one.grid, one.orientation)
            # Half a voxel is no reason to worry.
            if any(
                have < want - 0.5 * max(one.grid.spacing)
                for have, want in zip(extent, region_mm, strict=True)
            ):
                short.append(f"{one.case.id} ({' x '.join(f'{edge:.0f}' for edge in extent)} mm)")
    if short:
        wanted = " x ".join(f"{edge:.0f}" for edge in region_mm)
        message = (
            f"{len(short)} of {len(scans)} {cohort} scans are smaller than the region of {wanted} mm that "
            f"the preprocessor cuts out ({some(short)}); the rest of it is filled with background."
        )
        yield Finding("", "warning", None, message, "field of view")


def duplicates(dataset: Dataset, scans: Sequence[Sequence[ScanFacts]]) -> Iterator[Finding]:
    """Scans with the same intensities, and subjects on both sides of a split.

    Args:
        dataset: The cohorts.
        scans: Their scans, cohort by cohort.
    """
    first: dict[str, tuple[str, ScanFacts]] = {}
    for cohort, members in zip(dataset.cohorts, scans, strict=True):
        for one in members:
            if not one.digest:
                continue
            other_cohort, other = first.setdefault(one.digest, (cohort.name, one))
            if other is one:
                continue
            leaks = (cohort.name == "test") != (other_cohort == "test")
            message = f"has the same intensities as {other.case.id} ({other_cohort}). Keep one of them."
            severity: Severity = "error" if leaks else "warning"
            yield Finding(one.case.id, severity, one.case.image, message, "duplicate")
    yield from _shared_subjects(dataset)
    yield from _mixed_collections(dataset)


def _shared_subjects(dataset: Dataset) -> Iterator[Finding]:
    people: dict[str, set[str]] = defaultdict(set)
    for cohort in dataset.cohorts:
        for case in cohort:
            people[case.subject].add(cohort.name)
    for subject, cohorts in people.items():
        if "test" in cohorts and len(cohorts) > 1:
            message = f"subject {subject} is in test and in {' and '.join(sorted(cohorts - {'test'}))}."
            yield Finding(subject, "error", None, f"{message} Keep the subject on one side.", "leak")
    paired = [subject for subject, cohorts in people.items() if {"source", "target"} <= cohorts]
    if paired:
        message = (
            f"{len(paired)} subjects are in source and in target ({some(paired)}): the cohorts are not "
            "unpaired."
        )
        yield Finding("", "warning", None, message, "leak")


def _mixed_collections(dataset: Dataset) -> Iterator[Finding]:
    names = [case.id for cohort in dataset.cohorts for case in cohort]
    if any(map(_TCIA.match, names)) and any(map(_LONDON.match, names)):
        message = (
            "cases of TCIA's Vestibular-Schwannoma-SEG and of crossMoDA's London: these are the same "
            "patients. Use one of the two."
        )
        yield Finding("", "warning", None, message, "leak")


def unpaired(dataset: Dataset) -> Iterator[Finding]:
    """Files without their partner."""
    for path in dataset.unpaired:
        is_map = _MAP.fullmatch(path.name) is not None
        missing = "the scan that it belongs to" if is_map else "its label map"
        severity: Severity = "warning" if is_map else "error"
        yield Finding("", severity, path, f"{missing} is missing; it is not used.", "partner")
    without = [case.id for case in dataset.source if case.parcellation is None]
    if 0 < len(without) < len(dataset.source):
        message = (
            f"{len(without)} of {len(dataset.source)} source cases have no parcellation ({some(without)})."
        )
        yield Finding("", "warning", None, message, "partner")


def ungraded(cohort: Cohort) -> Iterator[Finding]:
    """Cases without a Koos grade."""
    names = [case.id for case in cohort if case.grade is None]
    if names:
        count = f"{len(names)} of {len(cohort)} {cohort.name} cases have no Koos grade ({some(names)})"
        none = len(names) == len(cohort)
        message = f"{count}; {'nothing is graded' if none else 'they are left out of the grading'}."
        yield Finding("", "warning", None, message, "grades")


def stored_as_float(scans: Sequence[ScanFacts]) -> Iterator[Finding]:
    """Label maps that need rounding."""
    names = [one.case.id for one in scans if one.float_labels]
    if names:
        message = (
            f"{len(names)} label maps are stored as floating-point numbers ({some(names)}); "
            "they are rounded when they are read."
        )
        yield Finding("", "warning", None, message, "labels")


def _slice_field(grid: Grid) -> float:
    """Extent across the slices, mm; slices are taken to be stacked along the longest voxel edge."""
    axis = int(np.argmax(grid.spacing))
    return grid.shape[axis] * grid.spacing[axis]


def _extent_mm(grid: Grid, orientation: str) -> list[float]:
    """Extent from right to left, front to back and foot to head."""
    along = [count * edge for count, edge in zip(grid.shape, grid.spacing, strict=True)]
    return [
        along[next(axis for axis, letter in enumerate(orientation) if letter in ends)]
        for ends in ("RL", "AP", "SI")
    ]
