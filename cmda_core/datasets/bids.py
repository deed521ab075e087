"""Reads folders in the manner of BIDS: ``sub-*/[ses-*/]anat/*_T1w.nii.gz``, label maps in ``derivatives``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import get_args

from cmda_core.datasets.dataset import Dataset
from cmda_core.datasets.files import is_held_out, natural_order, walk
from cmda_core.datasets.grades import parse_grade
from cmda_core.datasets.split import Split, make_dataset
from cmda_core.errors import DataError
from cmda_core.schema import Case, Task
from cmda_core.tables import read_rows

PARTICIPANTS = "participants.tsv"
DERIVATIVES = "derivatives"
SEGMENTATION = "dseg"
KNOWN_SCANS = {"ceT1": "*_ce-*_T1w", "hrT2": "*_T2w"}
"""Patterns of the scans of a modality; of any other one it is ``*_NAME``."""

_OF_LABELS = {"desc", "label", "space", "res", "den", "atlas", "seg"}
"""Entities of a label map that its scan does not have."""

_OF_REGIONS = {"atlas", "seg"}
"""Entities that tell a parcellation from a map of the task's structures."""


@dataclass(frozen=True, slots=True)
class _Name:
    """A file name of BIDS, taken apart."""

    path: Path
    stem: str
    entities: Mapping[str, str]
    suffix: str

    @classmethod
    def of(cls, path: Path) -> _Name | None:
        stem = path.name.removesuffix(".gz").removesuffix(".nii")
        *pairs, suffix = stem.split("_")
        entities = dict(pair.split("-", 1) for pair in pairs if "-" in pair)
        return cls(path, stem, entities, suffix) if "sub" in entities else None


def read_bids(root: Path, task: Task, patterns: Mapping[str, str]) -> Dataset:
    """Find the scans of a BIDS folder; no image is opened.

    A scan's label map is a ``*_dseg`` of the same subject and session, with the same entities, in a
    folder ``derivatives``; one with ``atlas-`` or ``seg-`` in its name is a parcellation. The table
    ``participants.tsv`` may have the columns ``split`` (source, target, test), ``koos`` and ``centre``
    (or ``site``). Without a split, labelled scans of the source modality are source, and all scans of
    the target modality are target. Labels of target and test scans are not taken over.

    Args:
        root: Folder of the dataset.
        task: Names the modalities of source and target.
        patterns: Which images are of a modality, for names without folder and ending; what is not
            given is as in ``KNOWN_SCANS``.

    Raises:
        DataError: If the folder is missing, holds no scans, or a scan has two label maps.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder. Name the folder that holds the sub-* folders.")
    names = list(_names(root))
    maps = [name for name in names if name.suffix == SEGMENTATION]
    people = _participants(root)
    cases: dict[Split, list[Case]] = {"source": [], "target": [], "test": []}
    unpaired: list[Path] = []
    for scan, modality in _scans(root, names, task, patterns):
        person = people.get(scan.entities["sub"], {})
        split = _split(scan, modality, task, person)
        if split is None:
            continue
        case = _case(scan, modality, maps if split == "source" else (), person)
        if split == "source" and case.labels is None:
            unpaired.append(scan.path)
        else:
            cases[split].append(case)
    return make_dataset("bids", str(root), cases, unpaired)


def _scans(
    root: Path, names: Sequence[_Name], task: Task, patterns: Mapping[str, str]
) -> Iterator[tuple[_Name, str]]:
    """Raw scans with their modality, modality by modality."""
    raw = [
        name
        for name in names
        if name.path.parent.name == "anat" and DERIVATIVES not in name.path.relative_to(root).parts
    ]
    for modality in task.modalities:
        pattern = patterns.get(modality) or KNOWN_SCANS.get(modality, f"*_{modality}")
        yield from ((name, modality) for name in raw if fnmatchcase(name.stem, pattern))


def _names(root: Path) -> Iterator[_Name]:
    paths = [path for path in walk(root) if path.name.endswith((".nii", ".nii.gz"))]
    for path in sorted(paths, key=natural_order):
        name = _Name.of(path)
        if name is not None and not is_held_out(path.relative_to(root)):
            yield name


def _participants(root: Path) -> dict[str, dict[str, str]]:
    path = root / PARTICIPANTS
    if not path.is_file():
        return {}
    rows = read_rows(path, ("participant_id",), delimiter="\t")
    return {row["participant_id"].removeprefix("sub-"): row for row in rows}


def _split(scan: _Name, modality: str, task: Task, person: Mapping[str, str]) -> Split | None:
    """The cohort of a scan; nothing for the modality that its subject is not used in."""
    wanted = person.get("split", "")
    if wanted in ("", "n/a"):
        return "source" if modality == task.source else "target"
    for split in get_args(Split):
        if wanted == split:
            expected = task.source if split == "source" else task.target
            return split if modality == expected else None
    raise DataError(f"{_where(scan, 'split')}: expected source, target or test, got {wanted!r}.")


def _where(scan: _Name, column: str) -> str:
    return f"{PARTICIPANTS}: sub-{scan.entities['sub']}: {column}"


def _case(scan: _Name, modality: str, maps: Sequence[_Name], person: Mapping[str, str]) -> Case:
    return Case(
        id=scan.stem,
        subject=f"sub-{scan.entities['sub']}",
        modality=modality,
        image=scan.path,
        labels=_map_of(scan, maps, regions=False),
        parcellation=_map_of(scan, maps, regions=True),
        grade=parse_grade(person.get("koos", ""), _where(scan, "koos")) if maps else None,
        centre=person.get("centre") or person.get("site") or None,
    )


def _map_of(scan: _Name, maps: Sequence[_Name], *, regions: bool) -> Path | None:
    found = [
        name.path
        for name in maps
        if bool(name.entities.keys() & _OF_REGIONS) is regions
        and {key: value for key, value in name.entities.items() if key not in _OF_LABELS} == scan.entities
    ]
    if len(found) > 1:
        raise DataError(f"case {scan.stem}: found {found[0]} and {found[1]}. Keep one of them.")
    return found[0] if found else None
