"""Converts a folder of DICOM files, as of TCIA's Vestibular-Schwannoma-SEG, once and for all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cmda_core.datasets.dicom.contours import SYNONYMS, StructureSet, fill, read_structure_set, structure_of
from cmda_core.datasets.dicom.index import Patient, Series, index_folder
from cmda_core.datasets.dicom.series import read_series
from cmda_core.datasets.manifest import MANIFEST, Row, write_manifest
from cmda_core.datasets.split import Split
from cmda_core.errors import CmdaError, DataError, GeometryError
from cmda_core.parallel import each_case
from cmda_core.progress import Progress, Silent
from cmda_core.schema import Task
from cmda_core.schema.names import plain_name
from cmda_core.volumes import LabelVolume, Volume, write_volume

SERIES: Mapping[str, str] = {"ceT1": "t1", "hrT2": "t2"}
"""Words that the descriptions of series begin with or hold."""

BOTH: tuple[Split, ...] = ("source", "target", "source", "target", "test")
"""How subjects with both modalities are dealt out: each is used in one of them."""

TARGET_ALONE: tuple[Split, ...] = ("target", "test", "target")


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a conversion came to.

    Attributes:
        manifest: The table of all scans.
        rows: Its content.
        problems: What could not be converted, or not wholly; one sentence each.
    """

    manifest: Path
    rows: tuple[Row, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Names:
    """How the files of a collection call what the task calls otherwise.

    Attributes:
        series: A word in the description of a modality's series.
        structures: Words in the names of a structure's regions.
    """

    series: Mapping[str, str]
    structures: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, task: Task, series: Mapping[str, str], structures: Mapping[str, tuple[str, ...]]) -> Names:
        """Given names; for the rest those of the TCIA collection, or else the task's own words."""
        return cls(
            {name: series.get(name, SERIES.get(name, name)).lower() for name in task.modalities},
            {
                name: tuple(w.lower() for w in (structures.get(name) or SYNONYMS.get(name, (name,))))
                for name in task.structures
            },
        )


def convert_dicom(
    root: Path,
    out: Path,
    task: Task,
    *,
    series: Mapping[str, str] | None = None,
    structures: Mapping[str, tuple[str, ...]] | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Conversion:
    """Convert every MR series of the task's modalities, with what was drawn on it.

    All scans are converted. The manifest deals the subjects out to source, target and test, each
    with one of its modalities, so that no subject is in two cohorts; edit its column ``split`` to do
    otherwise.

    Args:
        root: Folder with DICOM files, nested in any way.
        out: Folder for the images, the label maps and ``manifest.csv``.
        task: Names modalities and structures; label maps hold its labels.
        series: A word in the description of a modality's series, where it is not TCIA's.
        structures: Words in the names of a structure's regions, where they are not TCIA's.
        jobs: Processes; each holds one scan in memory.
        progress: Where to show how many patients are done.

    Raises:
        DataError: If no series of a modality of the task is found.
        OutputError: If a file cannot be written.
    """
    shown = progress or Silent()
    names = Names.of(task, series or {}, structures or {})
    patients = index_folder(root, shown)
    _check_names(patients)
    rows: list[Row] = []
    problems: list[str] = []
    results = each_case(
        _convert_patient,
        [(patient, out, task, names) for patient in patients],
        names=[patient.id for patient in patients],
        jobs=jobs,
        what="convert",
        progress=shown,
    )
    for some, wrong in results:
        rows += some
        problems += wrong
    if not rows:
        raise DataError(f"{root}: no series could be converted. {_why_none(patients, problems)}")
    dealt = tuple(deal_splits(rows, task))
    write_manifest(out / MANIFEST, dealt)
    return Conversion(out / MANIFEST, dealt, tuple(problems))


def _why_none(patients: Sequence[Patient], problems: Sequence[str]) -> str:
    if problems:
        return " ".join(problems[:3])
    described = sorted({one.description for patient in patients for one in patient.series})
    return (
        f"Their descriptions are {', '.join(map(repr, described[:5]))}; name a word of each modality's with "
        "--series."
    )


def deal_splits(rows: Sequence[Row], task: Task) -> Iterator[Row]:
    """Give every subject's scans a cohort, or none to a second scan of the same subject."""
    modalities: dict[str, set[str | None]] = {}
    for row in rows:
        modalities.setdefault(row.subject, set()).add(row.modality)
    both = [subject for subject, some in modalities.items() if some == set(task.modalities)]
    target = [subject for subject, some in modalities.items() if some == {task.target}]
    splits: dict[str, Split] = dict.fromkeys(modalities, "source")
    splits |= {subject: BOTH[number % len(BOTH)] for number, subject in enumerate(both)}
    splits |= {subject: TARGET_ALONE[number % len(TARGET_ALONE)] for number, subject in enumerate(target)}
    for row in rows:
        split = splits[row.subject]
        used = row.modality == (task.source if split == "source" else task.target)
        yield replace(row, split=split if used else None)


def _check_names(patients: Sequence[Patient]) -> None:
    seen: dict[str, str] = {}
    for patient in patients:
        try:
            plain_name(_case_of(patient))
        except ValueError as error:
            raise DataError(f"patient {patient.id[:40]!r}: PatientID: {error}. Rename the patient.") from None
        other = seen.setdefault(_case_of(patient), patient.id)
        if other != patient.id:
            raise DataError(
                f"patients {other!r} and {patient.id!r}: their files would have one name. Rename one of them."
            )


def _case_of(patient: Patient) -> str:
    return re.sub(r"[^\w.-]", "_", patient.id).lstrip(".")


def _convert_patient(patient: Patient, out: Path, task: Task, names: Names) -> tuple[list[Row], list[str]]:
    rows: list[Row] = []
    problems: list[str] = []
    drawn: list[StructureSet] = []
    for path in patient.structure_sets:
        try:
            drawn.append(read_structure_set(path))
        except DataError as error:
            problems.append(str(error))
    for modality in task.modalities:
        try:
            series = _series_of(patient, names.series[modality], drawn)
            if series is not None:
                rows.append(_convert_series(patient, series, modality, drawn, out, task, names, problems))
        except (DataError, GeometryError) as error:
            problems.append(f"{patient.id}: {modality}: {error}")
    return rows, problems


def _series_of(patient: Patient, word: str, drawn: Sequence[StructureSet]) -> Series | None:
    """The series of a modality; of several, the one with contours."""
    pattern = re.compile(rf"(?<![a-z0-9]){re.escape(word)}")
    found = [one for one in patient.series if pattern.search(one.description.lower())]
    if len(found) > 1:
        found = [one for one in found if any(one.uid in some.series for some in drawn)] or found
    if len(found) > 1:
        described = ", ".join(repr(one.description) for one in found)
        raise DataError(f"{len(found)} series fit ({described}). Remove all but one.")
    return found[0] if found else None


def _convert_series(
    patient: Patient,
    series: Series,
    modality: str,
    drawn: Sequence[StructureSet],
    out: Path,
    task: Task,
    names: Names,
    problems: list[str],
) -> Row:
    case = _case_of(patient)
    scan = read_series(series.files, modality, case)
    image = out / "images" / f"{case}_{modality}.nii.gz"
    whole = bool((scan.voxels == np.rint(scan.voxels)).all() and np.abs(scan.voxels).max() < 32768)
    write_volume(image, scan, step=1.0 if whole else None)
    labels: Path | None = out / "labels" / f"{case}_{modality}.nii.gz"
    try:
        found = _label_map(scan, [some for some in drawn if series.uid in some.series], task, names)
        write_volume(labels or image, found)
    except CmdaError as error:
        problems.append(f"{patient.id}: {modality}: has no labels: {error}")
        labels = None
    return Row(case=case, subject=case, split=None, modality=modality, image=image, labels=labels)


def _label_map(scan: Volume, drawn: Sequence[StructureSet], task: Task, names: Names) -> LabelVolume:
    if not drawn:
        raise DataError("no RTSTRUCT file refers to this series.")
    labels = np.zeros(scan.voxels.shape, np.uint8)
    regions = [(some.path, region) for some in drawn for region in some.regions]
    # The first structure of the task, the tumour as a rule, is drawn over the others.
    for structure, label in reversed(task.structures.items()):
        for path, region in regions:
            if structure_of(region.name, names.structures) == structure:
                try:
                    labels[fill(region.contours, scan.grid)] = label
                except GeometryError as error:
                    raise GeometryError(f"{path}: region {region.name!r}: {error}") from error
    if not labels.any():
        given = ", ".join(repr(region.name) for _, region in regions) or "none"
        raise DataError(f"no region has a known name; there are {given}. Name one with --structure.")
    return scan.with_labels(labels)
