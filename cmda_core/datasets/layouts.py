"""Finds out how a dataset is laid out, and reads it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from cmda_core.datasets.bids import read_bids
from cmda_core.datasets.crossmoda import read_crossmoda
from cmda_core.datasets.dataset import Dataset
from cmda_core.datasets.files import is_held_out, walk
from cmda_core.datasets.manifest import MANIFEST, read_manifest
from cmda_core.datasets.split import check_cases
from cmda_core.datasets.years import SOURCE, TARGET, YEARS
from cmda_core.errors import DataError
from cmda_core.files import real_path
from cmda_core.schema import DataConfig, LabelScheme, Layout, Task, task_values

LAYOUTS: tuple[Layout, ...] = get_args(Layout)

_ANY_ID = re.compile(rf".+_({SOURCE}|{TARGET})\.nii(\.gz)?")
_BIDS = re.compile(r"sub-[^_]+_.+\.nii(\.gz)?")


def read_dataset(config: DataConfig, task: Task = Task()) -> Dataset:  # noqa: B008  # it is frozen
    """Find the scans of a dataset; no image is opened.

    Args:
        config: Where the dataset is, and how its files are named.
        task: Modalities and structures that are wanted of it.

    Raises:
        DataError: If the folder is missing, does not hold what its layout promises, or no layout or
            several fit it; or if a case occurs twice or is of another modality.
        ConfigError: If the label files lack a structure of the task.
    """
    real_path(config.root)  # says what is wrong with one that cannot even be looked for
    layout = detect_layout(config.root) if config.layout == "auto" else config.layout
    try:
        dataset = _read(config, layout, task)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        message = problem["msg"].removeprefix("Value error, ")
        raise DataError(f"{config.root}: a case cannot be used: {problem['loc'][0]}: {message}.") from None
    check_cases(dataset, task, str(config.root))
    return replace(dataset, values=_values(config.labels or label_scheme(layout), task))


def _read(config: DataConfig, layout: Layout, task: Task) -> Dataset:
    if layout == "csv":
        return read_manifest(config.root, task)
    if layout == "bids":
        return read_bids(config.root, task, config.scans)
    return read_crossmoda(config.root, YEARS[layout])


def reference_values(config: DataConfig, task: Task, reference: Path) -> Mapping[int, int] | None:
    """What becomes of the values of reference labels that lie apart from their dataset.

    Args:
        config: Says what the values are, by its labels or its layout.
        task: Names the structures.
        reference: If the layout is ``auto``, the year in the names of these files tells.

    Raises:
        ConfigError: If the label files lack a structure of the task.
    """
    layout = _year_of(reference) if config.layout == "auto" else config.layout
    return _values(config.labels or label_scheme(layout), task)


def label_scheme(layout: str | None) -> LabelScheme | None:
    """The values of structures in the label files of a layout, if it lays them down."""
    year = YEARS.get(layout or "")
    return year.labels if year else None


def detect_layout(root: Path) -> Layout:
    """Find out how a dataset is laid out by looking at the names of its files.

    A ``manifest.csv`` at the top decides: somebody has put it there.

    Raises:
        DataError: If the folder is missing, or no layout or several fit.
    """
    if root.is_file() and root.suffix.lower() == ".csv":
        return "csv"
    if not root.is_dir():
        raise DataError(f"{root}: no such folder. Name the folder of the dataset, or its CSV manifest.")
    if (root / MANIFEST).is_file():
        return "csv"
    found = _count_names(root)
    dicom, other = found.pop("DICOM", 0), found.pop("any", 0)
    if len(found) == 1:
        return next(layout for layout in LAYOUTS if layout in found)
    if found:
        counts = ", ".join(f"{layout} ({count} files)" for layout, count in sorted(found.items()))
        raise DataError(
            f"{root}: several layouts fit: {counts}. Name the folder of one of them, or set data.layout."
        )
    if other:
        return "crossmoda2022"
    if dicom:
        raise DataError(
            f"{root}: holds {dicom} DICOM files. Convert them once with 'cmda data convert {root} OUT', and "
            "use OUT."
        )
    raise DataError(
        f"{root}: no layout fits. Expected the files of crossMoDA (<id>_{SOURCE}.nii.gz, <id>_Label.nii.gz, "
        f"<id>_{TARGET}.nii.gz), sub-*/anat/ folders, or a {MANIFEST}; see docs/data.md."
    )


def _count_names(root: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for path in walk(root):
        if is_held_out(path.relative_to(root)):
            continue
        layout = _layout_of(path)
        if layout is not None:
            found[layout] += 1
    return found


def _layout_of(path: Path) -> str | None:
    for year in YEARS.values():
        match = year.file.fullmatch(path.name)
        if match is not None and year.case.fullmatch(match["case"]):
            return year.layout
    if _BIDS.fullmatch(path.name) and path.parent.name == "anat":
        return "bids"
    if _ANY_ID.fullmatch(path.name):
        return "any"
    return "DICOM" if path.suffix.lower() == ".dcm" else None


def _year_of(reference: Path) -> Layout | None:
    for path in walk(reference):
        for year in YEARS.values():
            match = re.fullmatch(r"(.+)_Label\.nii(\.gz)?", path.name)
            if match is not None and year.case.fullmatch(match[1]):
                return year.layout
    return None


def _values(scheme: LabelScheme | None, task: Task) -> Mapping[int, int] | None:
    return None if scheme is None else task_values(scheme, task)
