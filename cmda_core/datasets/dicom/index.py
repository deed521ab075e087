"""Looks through a folder of DICOM files for MR series and structure sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cmda_core.datasets.dicom.reading import read_header, readable
from cmda_core.datasets.files import natural_key, walk
from cmda_core.errors import DataError
from cmda_core.progress import Progress

_TAGS = ["Modality", "PatientID", "SeriesInstanceUID", "SeriesDescription"]
_SUFFIXES = {".dcm", ".ima", ""}


@dataclass(frozen=True, slots=True)
class Series:
    """An MR series.

    Attributes:
        uid: Its SeriesInstanceUID.
        description: Its SeriesDescription, in which TCIA names the sequence.
        files: One per slice, in no particular order.
    """

    uid: str
    description: str
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Patient:
    """All that is known of one person.

    Attributes:
        id: PatientID.
        series: The MR series.
        structure_sets: Files with contours.
    """

    id: str
    series: tuple[Series, ...]
    structure_sets: tuple[Path, ...]


def index_folder(root: Path, progress: Progress) -> list[Patient]:
    """Read the headers of all files below a folder; pixels are not read.

    Doses and plans are left out.

    Raises:
        DataError: If the folder is missing or holds no MR series.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder. Name the folder that holds the DICOM files.")
    paths = sorted(path for path in walk(root) if path.suffix.lower() in _SUFFIXES)
    slices: dict[tuple[str, str, str], list[Path]] = defaultdict(list)
    sets: dict[str, list[Path]] = defaultdict(list)
    with progress.task("look through DICOM files", len(paths)) as advance:
        for path, header in _headers(paths):
            advance(1)
            if header is None:
                continue
            if header["Modality"] == "MR":
                key = _required(header, "PatientID", path), _required(header, "SeriesInstanceUID", path)
                slices[*key, header["SeriesDescription"]].append(path)
            elif header["Modality"] == "RTSTRUCT":
                sets[_required(header, "PatientID", path)].append(path)
    if not slices:
        raise DataError(f"{root}: holds no MR series in DICOM files ({len(paths)} files looked at).")
    series: dict[str, list[Series]] = defaultdict(list)
    for (patient, uid, description), files in slices.items():
        series[patient].append(Series(uid, description, tuple(files)))
    return [
        Patient(patient, tuple(series[patient]), tuple(sets[patient]))
        for patient in sorted(series, key=natural_key)
    ]


def _headers(paths: list[Path]) -> Iterator[tuple[Path, Mapping[str, str] | None]]:
    for path in paths:
        header = read_header(path, _TAGS)
        if header is None:
            yield path, None
            continue
        with readable(path):
            values = {tag: str(header.get(tag) or "").strip() for tag in _TAGS}
        yield path, values


def _required(header: Mapping[str, str], tag: str, path: Path) -> str:
    if not header[tag]:
        raise DataError(f"{path}: {tag} is missing or empty. Without it nobody knows what it belongs to.")
    return header[tag]
