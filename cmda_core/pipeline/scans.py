"""Finds the scans that a trained model is to work on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cmda_core.errors import DataError
from cmda_core.files import real_path
from cmda_core.schema import Case, Task
from cmda_core.schema.names import plain_name
from cmda_core.volumes.nifti import case_name


def find_scans(inputs: Path, task: Task, modality: str | None = None) -> list[Case]:
    """The scans in a folder, or the one that is named; none is opened.

    Args:
        inputs: A NIfTI file, or a folder of them.
        task: Its modalities are recognised at the end of file names, as in ``case_hrT2.nii.gz``.
        modality: Of files whose name does not tell; the target's if left out.

    Raises:
        DataError: If there is nothing to read.
    """
    endings = {f"_{known}": known for known in task.modalities}
    return [_scan(path, endings, modality or task.target) for path in _files(inputs)]


def find_target_scans(inputs: Path, task: Task, endings: Sequence[str]) -> list[Case]:
    """The scans of the target modality, by the endings of their names; other files are left out.

    Args:
        inputs: A NIfTI file, or a folder of them.
        task: Whose target modality the scans are of, whatever their names call it.
        endings: Such as ``hrT2`` for ``case_hrT2.nii.gz``.

    Raises:
        DataError: If there is none.
    """
    known = {f"_{ending}": task.target for ending in endings}
    paths = [path for path in _files(inputs) if case_name(path).endswith(tuple(known))]
    if not paths:
        wanted = " or ".join(f"CASE_{ending}.nii.gz" for ending in endings)
        raise DataError(f"{inputs}: expected scans named {wanted}, found none.")
    return [_scan(path, known, task.target) for path in paths]


def require_unique(scans: Sequence[Case]) -> None:
    """Refuse scans whose results would overwrite each other.

    Raises:
        DataError: If two scans are of one case.
    """
    seen: dict[str, Path] = {}
    for scan in scans:
        if scan.id in seen:
            raise DataError(
                f"case {scan.id}: found {seen[scan.id]} and {scan.image}, whose results would have one name. "
                "Keep one of them, or put them into two folders."
            )
        seen[scan.id] = scan.image


def _files(inputs: Path) -> list[Path]:
    if not real_path(inputs).exists():
        raise DataError(f"{inputs}: no such file or folder.")
    if not inputs.is_dir():
        return [inputs]
    paths = sorted(
        path
        for path in inputs.iterdir()
        if path.name.endswith((".nii", ".nii.gz")) and not path.name.startswith(".")
    )
    if not paths:
        raise DataError(f"{inputs}: holds no .nii or .nii.gz file.")
    return paths


def _scan(path: Path, endings: dict[str, str], modality: str) -> Case:
    name = case_name(path)
    for ending, known in endings.items():
        if name.endswith(ending) and name != ending:
            modality, name = known, name.removesuffix(ending)
            break
    try:
        plain_name(name)
    except ValueError as error:
        raise DataError(f"{path}: {error}. Results are named after it: rename the file.") from None
    return Case(id=name, subject=name, modality=modality, image=real_path(path))
