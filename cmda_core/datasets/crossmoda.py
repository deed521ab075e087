"""Reads datasets in the layouts of the crossMoDA challenge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from cmda_core.datasets.dataset import Dataset
from cmda_core.datasets.files import HELD_OUT, is_held_out, named, scans_below
from cmda_core.datasets.grades import read_grades
from cmda_core.datasets.years import SOURCE, TARGET, YEARS, Year
from cmda_core.errors import DataError
from cmda_core.schema import Case, Cohort

Files = Mapping[str, Mapping[str, Path]]
"""Files by role (``ceT1``, ``hrT2`` or ``T2``, ``Label``, ``GIFoutput``) and case."""


def read_crossmoda2022(root: Path) -> Dataset:
    """Find the scans of crossMoDA 2022; see ``read_crossmoda``."""
    return read_crossmoda(root, YEARS["crossmoda2022"])


def read_crossmoda(root: Path, year: Year) -> Dataset:
    """Find the scans of a year of crossMoDA; no image is opened.

    Files are recognised by their names wherever they lie below ``root``: the source cases are those
    with ``<id>_ceT1`` and ``<id>_Label``, with ``<id>_GIFoutput`` where there is one and a grade from
    ``infos_*.csv``. An ``<id>_hrT2`` (``<id>_T2`` in 2023) is for training or for testing as its
    nearest folder with *validation* or *test*, or else *target* or *training*, in its name says;
    without such a folder, as the organisers numbered the cases. Target cases get no labels and no
    grade, even where the folder holds them, so that nothing before the evaluation can read them.

    Args:
        root: Folder of the dataset, nested in any way.
        year: How its files are named.

    Raises:
        DataError: If the folder is missing, a cohort for training is empty, a case has two files of
            one kind, or nothing tells what a target scan is for.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder. Name the folder that crossMoDA was unpacked into.")
    files = _find_files(root, year)
    source = _source_cases(files, _grades(root), year)
    target: list[Case] = []
    test: list[Case] = []
    for case, path in files[year.suffix].items():
        chosen = test if _is_test(case, path.relative_to(root), year) else target
        chosen.append(_case(case, TARGET, path, year))
    _require(bool(source), root, f"<id>_{SOURCE}.nii.gz with <id>_Label.nii.gz", files)
    _require(bool(target), root, f"<id>_{year.suffix}.nii.gz in a folder for training", files)
    return Dataset(
        source=Cohort(name="source", cases=tuple(source)),
        target=Cohort(name="target", cases=tuple(target)),
        test=Cohort(name="test", cases=tuple(test)),
        unpaired=tuple(_unpaired(files, year)),
        layout=year.layout,
    )


def _find_files(root: Path, year: Year) -> Files:
    files: dict[str, dict[str, Path]] = {SOURCE: {}, year.suffix: {}, "Label": {}, "GIFoutput": {}}
    for path in scans_below(root):
        match = year.file.fullmatch(path.name)
        if match is None:
            continue
        known = files[match["role"]].setdefault(match["case"], path)
        if known != path:
            raise DataError(f"case {match['case']}: found {known} and {path}. Keep one of them.")
    return files


def _grades(root: Path) -> dict[str, int]:
    grades: dict[str, int] = {}
    for path in named(root, "infos*.csv"):
        if HELD_OUT not in path.name and not is_held_out(path.relative_to(root)):
            grades |= read_grades(path)
    return grades


def _source_cases(files: Files, grades: Mapping[str, int], year: Year) -> list[Case]:
    return [
        _case(
            case,
            SOURCE,
            path,
            year,
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
    year: Year,
    labels: Path | None = None,
    parcellation: Path | None = None,
    grade: int | None = None,
) -> Case:
    return Case(
        id=case,
        subject=case,
        modality=modality,
        image=image,
        labels=labels,
        parcellation=parcellation,
        grade=grade,
        centre=year.centre_of(case),
    )


def _is_test(case: str, path: Path, year: Year) -> bool:
    for folder in reversed(path.parts[:-1]):
        name = folder.lower()
        if "validation" in name or "test" in name:
            return True
        if "target" in name or "training" in name:
            return False
    by_number = year.is_validation(case)
    if by_number is None:
        raise DataError(
            f"{path}: neither its folder nor its name says whether it is for training or for testing. "
            "Put it into a folder named training_target or validation."
        )
    return by_number


def _unpaired(files: Files, year: Year) -> Iterator[Path]:
    for case, path in files[SOURCE].items():
        if case not in files["Label"]:
            yield path
    for role in ("Label", "GIFoutput"):
        for case, path in files[role].items():
            # Labels of a target scan are not missing anything: they are kept from the training.
            if case not in files[SOURCE] and case not in files[year.suffix]:
                yield path


def _require(found: bool, root: Path, wanted: str, files: Files) -> None:
    if not found:
        counts = ", ".join(f"{len(by_case)} {role}" for role, by_case in files.items())
        raise DataError(
            f"{root}: expected files named {wanted}, searched for in all folders below; found {counts}. "
            "Is this the folder that the whole challenge was unpacked into?"
        )
