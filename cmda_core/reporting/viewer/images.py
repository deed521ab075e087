"""The images of a case that a report shows: the scan, its translations, and those translated back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from cmda_core.errors import CmdaError, DataError
from cmda_core.reporting.entries import ShownEntry, first_seeds
from cmda_core.reporting.viewer.content import Role, ViewedImage
from cmda_core.schema import Case, Pose
from cmda_core.volumes import Volume, read_volume, require_same_grid

PREPARED_WINDOW = (-1.0, 1.0)
"""Intensities of prepared images that are shown black and white."""


Shown = tuple[list[ViewedImage], list[str]]
"""Images, and a sentence about each that cannot be shown."""


def fake_images(entries: Sequence[ShownEntry], role: Role, scan: Volume, *, native: bool) -> Shown:
    """The translations of a case by each entry; those that entries share are shown once.

    Args:
        entries: Of which the first training of each is shown.
        role: Names the cohort of the case.
        scan: The grid to show them on.
        native: Whether that is the grid of the scan as it was acquired, not that of the prepared one.
    """
    return _images(entries, "fake", f"translated/{role}.json", scan, native=native)


def cycle_images(entries: Sequence[ShownEntry], role: Role, scan: Volume, *, native: bool) -> Shown:
    """The translations of a case that were translated back, where a run has them; see `fake_images`."""
    return _images(entries, "cycle", f"translated/cycle/{role}.json", scan, native=native)


def on_native_grid(volume: Volume, pose: Pose) -> Volume:
    """A prepared volume on the grid of its scan, by linear interpolation; black outside of the crop."""
    from scipy.ndimage import affine_transform

    # Voxel of the scan to voxel of the crop.
    to_prepared = np.linalg.inv(np.array(pose.to_native) @ volume.affine) @ pose.native.matrix
    voxels = affine_transform(
        volume.voxels,
        to_prepared[:3, :3],
        to_prepared[:3, 3],
        output_shape=pose.native.shape,
        order=1,
        mode="constant",
        cval=PREPARED_WINDOW[0],
    )
    return Volume(voxels, pose.native.matrix, volume.modality, volume.case)


def _images(entries: Sequence[ShownEntry], word: str, cohort: str, scan: Volume, *, native: bool) -> Shown:
    images, notes = [], []
    found = list(_distinct(entries, cohort, scan.case))
    for entry, case in found:
        name = f"{word} {case.modality}"
        title = f"{name} ({_who(entry)})" if len(found) > 1 else name
        try:
            images.append(ViewedImage(title, _placed(case, scan, native=native), PREPARED_WINDOW))
        except CmdaError as error:
            notes.append(f"{title} cannot be shown: {error}")
    return images, notes


def _distinct(entries: Sequence[ShownEntry], cohort: str, name: str) -> Iterator[tuple[ShownEntry, Case]]:
    seen: set[tuple[int, int]] = set()
    for entry in first_seeds(entries):
        cases = entry.run.cohort(cohort) or ()
        for case in cases:
            if case.id == name and case.image.is_file():
                # A stage that was taken over from another run is a hard link to that run's files.
                identity = _identity(case.image)
                if identity not in seen:
                    seen.add(identity)
                    yield entry, case


def _identity(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_dev, facts.st_ino


def _who(entry: ShownEntry) -> str:
    return entry.name if entry.seed is None else f"{entry.name}, seed {entry.seed}"


def _placed(case: Case, scan: Volume, *, native: bool) -> Volume:
    volume = read_volume(case.image, case.modality, case.id)
    if native:
        if case.pose is None:
            raise DataError("the prepared case has no way back to the scan.")
        volume = on_native_grid(volume, case.pose)
    require_same_grid(scan.grid, volume.grid, ("the scan", case.image.name))
    return volume
