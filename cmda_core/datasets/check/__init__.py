"""Looks for what is wrong with a dataset before hours are spent on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cmda_core.datasets.check import cohorts
from cmda_core.datasets.check.finding import Finding, ScanFacts, error
from cmda_core.datasets.check.images import (
    digest_of,
    header_findings,
    intensities_of,
    intensity_findings,
    orientation_of,
)
from cmda_core.datasets.check.maps import label_findings, volumes_mm3
from cmda_core.datasets.check.sheets import Sheets, tile_of
from cmda_core.datasets.dataset import Dataset
from cmda_core.errors import CmdaError
from cmda_core.parallel import each_case
from cmda_core.progress import Progress
from cmda_core.schema import Case, Task
from cmda_core.volumes import LabelVolume, Volume, read_labels, read_volume, require_same_grid
from cmda_core.volumes.nifti import read_placement, stored_as_float

if TYPE_CHECKING:
    from cmda_core.reporting.figures import Panel

__all__ = ["Check", "Finding", "ScanFacts", "check_dataset"]


@dataclass(frozen=True, slots=True)
class Check:
    """What a check came to.

    Attributes:
        findings: In the order of the cases; those on whole cohorts last.
        scans: What was read of every case, by cohort.
        pictures: Contact sheets, if they were asked for.
    """

    findings: tuple[Finding, ...]
    scans: Mapping[str, tuple[ScanFacts, ...]]
    pictures: tuple[Path, ...] = ()

    @property
    def errors(self) -> int:
        """Number of findings with which a case cannot be used."""
        return sum(finding.severity == "error" for finding in self.findings)


@dataclass(frozen=True, slots=True)
class _Checked:
    facts: ScanFacts
    findings: tuple[Finding, ...]
    tile: Panel | None


def check_dataset(
    dataset: Dataset,
    task: Task,
    *,
    region_mm: tuple[float, float, float] | None = None,
    pictures: Path | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Check:
    """Read every file of a dataset and collect what is wrong with it.

    One case is held in memory per process.

    Args:
        dataset: What a reader found.
        task: Which labels may occur.
        region_mm: Edges of the region that the preprocessor cuts out, from right to left, front to
            back and foot to head, mm.
        pictures: Folder for contact sheets with a slice of every case.
        jobs: Processes; -1 takes one per core.
        progress: Where to show how far the check has come.

    Raises:
        OutputError: If a picture cannot be written.
    """
    sheets = Sheets(pictures, task)
    scans: dict[str, tuple[ScanFacts, ...]] = {}
    findings: list[Finding] = []
    for cohort in dataset.cohorts:
        members = []
        results = each_case(
            _check_case,
            [(case, task, dataset.values, pictures is not None) for case in cohort],
            names=[case.id for case in cohort],
            jobs=jobs,
            what=f"check {cohort.name}",
            progress=progress,
        )
        for result in results:
            members.append(result.facts)
            findings += result.findings
            sheets.add(cohort.name, result.tile)
        sheets.finish(cohort.name)
        scans[cohort.name] = tuple(members)
    for name, members_of in scans.items():
        findings += cohorts.unusual_grids(members_of)
        if region_mm is not None:
            findings += cohorts.smaller_than_region(name, members_of, region_mm)
    findings += cohorts.duplicates(dataset, list(scans.values()))
    findings += cohorts.unpaired(dataset)
    findings += cohorts.ungraded(dataset.source)
    findings += cohorts.stored_as_float([one for some in scans.values() for one in some])
    return Check(tuple(findings), scans, tuple(sheets.written))


def _check_case(case: Case, task: Task, values: Mapping[int, int] | None, with_tile: bool) -> _Checked:
    findings: list[Finding] = []
    facts = ScanFacts(case)
    scan: Volume | None = None
    try:
        scan = read_volume(case.image, case.modality, case.id)
        facts = replace(
            facts,
            grid=scan.grid,
            orientation=orientation_of(scan.affine),
            intensities=intensities_of(scan),
            digest=digest_of(scan),
        )
        findings += header_findings(case, scan, read_placement(case.image))
    except CmdaError as problem:
        findings.append(error(case, case.image, str(problem), "file"))
    if facts.intensities is not None:
        findings += intensity_findings(case, facts.intensities)
    labels = _map_of(case, case.labels, scan, findings)
    _map_of(case, case.parcellation, scan, findings)
    if labels is not None and case.labels is not None:
        labels, found = label_findings(case, case.labels, labels, scan, task, values)
        findings += found
        facts = replace(
            facts, volumes_mm3=volumes_mm3(labels, task), float_labels=stored_as_float(case.labels)
        )
    tile = tile_of(case, scan, labels, task) if with_tile else None
    return _Checked(facts, tuple(findings), tile)


def _map_of(
    case: Case, path: Path | None, scan: Volume | None, findings: list[Finding]
) -> LabelVolume | None:
    if path is None:
        return None
    try:
        labels = read_labels(path, case.id)
    except CmdaError as problem:
        findings.append(error(case, path, str(problem), "file"))
        return None
    try:
        if scan is not None:
            require_same_grid(scan.grid, labels.grid, (str(case.image), str(path)))
    except CmdaError as problem:
        findings.append(error(case, path, str(problem), "grid"))
        return None
    return labels
