"""Reads datasets in the layout of the crossMoDA challenge of 2022."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from cmda_core.datasets.dataset import Dataset
from cmda_core.datasets.grades import read_grades
from cmda_core.errors import DataError
from cmda_core.schema import Case, Cohort

SOURCE, TARGET = "ceT1", "hrT2"

_FILE = re.compile(rf"(?P<case>.+)_(?P<role>{SOURCE}|{TARGET}|Label|GIFoutput)\.nii(\.gz)?")
_CASE = re.compile(r"crossmoda20\d\d_(?P<centre>[a-z]+)_(?P<number>\d+)")
# What the organisers published as target training; unpacked flat, only the number tells.
_TRAINING_NUMBERS = {"ldn": range(106, 211), "etz": range(105, 210)}
_HELD_OUT = "reference"

Files = Mapping[str, Mapping[str, Path]]
"""Files by role (``ceT1``, ``hrT2``, ``Label``, ``GIFoutput``) and case."""


def read_crossmoda2022(root: Path) -> Dataset:
    """Find the scans of crossMoDA 2022; no image is opened.

    Files are recognised by their names wherever they lie below ``root``: the source cases are those
    with ``<id>_ceT1`` and ``<id>_Label``, with ``<id>_GIFoutput`` where there is one and a grade from
    ``infos_*.csv``. An ``<id>_hrT2`` is for training or for testing as its nearest folder with
    *validation* or *test*, or else *target* or *training*, in its name says; without such a folder,
    as the organisers numbered the cases. Target cases get no labels and no grade, even where the
    folder holds them, so that nothing before the evaluation can read them.

    Args:
        root: Folder of the dataset, nested in any way.

    Raises:
        DataError: If the folder is missing, a cohort for training is empty, a case has two files of
            one kind, or nothing tells what an hrT2 scan is for.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder. Name the folder that crossMoDA was unpacked into.")
    files = _find_files(root)
    source = _source_cases(files, _grades(root))
    target: list[Case] = []
    test: list[Case] = []
    for case, path in files[TARGET].items():
        chosen = test if _is_test(case, path.relative_to(root)) else target
        chosen.append(_case(case, TARGET, path))
    _require(bool(source), root, f"<id>_{SOURCE}.nii.gz with <id>_Label.nii.gz", files)
    _require(bool(target), root, f"<id>_{TARGET}.nii.gz in a folder for training", files)
    return Dataset(
        source=Cohort(name="source", cases=tuple(source)),
        target=Cohort(name="target", cases=tuple(target)),
        test=Cohort(name="test", cases=tuple(test)),
        unpaired=tuple(_unpaired(files)),
    )


def _find_files(root: Path) -> Files:
    files: dict[str, dict[str, Path]] = {SOURCE: {}, TARGET: {}, "Label": {}, "GIFoutput": {}}
    for path in sorted(root.rglob("*.nii*"), key=_natural_order):
        match = _FILE.fullmatch(path.name)
        if match is None or path.name.startswith(".") or _is_held_out(path.relative_to(root)):
            continue
        known = files[match["role"]].setdefault(match["case"], path)
        if known != path:
            raise DataError(f"case {match['case']}: found {known} and {path}. Keep one of them.")
    return files


def _natural_order(path: Path) -> tuple[list[str | int], str]:
    """Case 2 before case 10."""
    parts = re.split(r"(\d+)", path.name)
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], str(path)


def _is_held_out(path: Path) -> bool:
    return any(_HELD_OUT in folder.lower() for folder in path.parts[:-1])


def _grades(root: Path) -> dict[str, int]:
    grades: dict[str, int] = {}
    for path in sorted(root.rglob("infos*.csv")):
        if _HELD_OUT not in path.name and not _is_held_out(path.relative_to(root)):
            grades |= read_grades(path)
    return grades


def _source_cases(files: Files, grades: Mapping[str, int]) -> list[Case]:
    return [
        _case(
            case,
            SOURCE,
            path,
            labels=files["Label"][case],
            parcellation=files["GIFoutput"].get(case),
            grade=grades.get(case),
        )
        for case, path in files[SOURCE].items()
        if case in files["Label"]
    ]


def _case(
    case: str,
    modality: str,
    image: Path,
    labels: Path | None = None,
    parcellation: Path | None = None,
    grade: int | None = None,
) -> Case:
    match = _CASE.fullmatch(case)
    return Case(
        id=case,
        subject=case,
        modality=modality,
        image=image,
        labels=labels,
        parcellation=parcellation,
        grade=grade,
        centre=match["centre"] if match else None,
    )


def _is_test(case: str, path: Path) -> bool:
    for folder in reversed(path.parts[:-1]):
        name = folder.lower()
        if "validation" in name or "test" in name:
            return True
        if "target" in name or "training" in name:
            return False
    match = _CASE.fullmatch(case)
    if match is None or match["centre"] not in _TRAINING_NUMBERS:
        raise DataError(
            f"{path}: neither its folder nor its name says whether it is for training or for testing. "
            "Put it into a folder named training_target or validation."
        )
    return int(match["number"]) not in _TRAINING_NUMBERS[match["centre"]]


def _unpaired(files: Files) -> Iterator[Path]:
    for case, path in files[SOURCE].items():
        if case not in files["Label"]:
            yield path
    for role in ("Label", "GIFoutput"):
        for case, path in files[role].items():
            # Labels of a target scan are not missing anything: they are kept from the training.
            if case not in files[SOURCE] and case not in files[TARGET]:
                yield path


def _require(found: bool, root: Path, wanted: str, files: Files) -> None:
    if not found:
        counts = ", ".join(f"{len(by_case)} {role}" for role, by_case in files.items())
        raise DataError(
            f"{root}: expected files named {wanted}, searched for in all folders below; found {counts}. "
            "Is this the folder that holds crossmoda2022_training?"
        )
