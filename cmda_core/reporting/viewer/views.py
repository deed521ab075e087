"""Gathers what the page of a case shows, from the files of one run or several."""

from __future__ import annotations

from collections.abc import Sequence

from cmda_core.errors import CmdaError
from cmda_core.reporting.colours import REFERENCE_COLOUR
from cmda_core.reporting.entries import REFERENCE, ShownEntry
from cmda_core.reporting.figures import window_of
from cmda_core.reporting.paired import true_scan
from cmda_core.reporting.scans import ScannedCases, prediction
from cmda_core.reporting.viewer.content import Role, ScanView, ViewedImage, ViewedLabels
from cmda_core.reporting.viewer.images import PREPARED_WINDOW, cycle_images, fake_images
from cmda_core.schema import Case, Task
from cmda_core.volumes import Volume, read_labels, read_volume, require_same_grid

CROPS = "crops"
"""Folder, within an entry's, of the segmentations on the grid of the prepared scans."""


def test_view(name: str, scans: ScannedCases, entries: Sequence[ShownEntry], task: Task) -> ScanView:
    """A test case on the scan's own grid, with the labels of the reference and of every entry.

    Raises:
        CmdaError: If the scan, or a label map, cannot be shown.
    """
    scan = scans.image(name)
    labels = []
    reference = scans.reference(scan)
    if reference is not None:
        labels.append(ViewedLabels(REFERENCE, REFERENCE_COLOUR, reference, reference=True))
    for entry in entries:
        found = prediction(entry, scan)
        if found is not None:
            labels.append(ViewedLabels(entry.name, entry.colour, found, entry.seed))
    fakes, notes = fake_images(entries, "test", scan, native=True)
    cycles, more = cycle_images(entries, "test", scan, native=True)
    own = ViewedImage(scan.modality, scan, window_of(scan.voxels))
    return ScanView(name, "test", (own, *fakes, *cycles), tuple(labels), task.structures, (*notes, *more))


def training_view(case: Case, role: Role, entries: Sequence[ShownEntry], task: Task) -> ScanView:
    """A prepared training case in both modalities, with its own labels and what entries found in it.

    Raises:
        CmdaError: If the scan, or its label map, cannot be shown.
    """
    scan = read_volume(case.image, case.modality, case.id)
    labels, notes = [], []
    if case.labels is not None:
        own_labels = read_labels(case.labels, case.id)
        labels.append(ViewedLabels(REFERENCE, REFERENCE_COLOUR, own_labels, reference=True))
    for entry in entries:
        try:
            labels += _crop(entry, scan)
        except CmdaError as error:
            notes.append(f"{entry.name} cannot be shown: {error}")
    fakes, of_fakes = fake_images(entries, role, scan, native=False)
    cycles, of_cycles = cycle_images(entries, role, scan, native=False)
    own = ViewedImage(scan.modality, scan, PREPARED_WINDOW)
    true = true_scan(entries[0].run, scan) if role == "source" and entries else None
    pairs = () if true is None else (ViewedImage(f"true {true.modality}", true, window_of(true.voxels)),)
    told = tuple(dict.fromkeys([*notes, *of_fakes, *of_cycles]))
    return ScanView(case.id, role, (own, *pairs, *fakes, *cycles), tuple(labels), task.structures, told)


def _crop(entry: ShownEntry, scan: Volume) -> list[ViewedLabels]:
    path = entry.segmented / CROPS / f"{scan.case}.nii"
    if not path.is_file():
        return []
    labels = read_labels(path, scan.case)
    require_same_grid(scan.grid, labels.grid, ("the scan", path.name))
    return [ViewedLabels(entry.name, entry.colour, labels, entry.seed)]
