"""The promises of a segmenter that declares to ignore voxels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cmda_core.protocols import SegmentationData
from cmda_core.schema import Case, Cohort
from cmda_core.testing.check import Rule, expect
from cmda_core.testing.rules.segmenter import SegmenterSubject, expect_sound
from cmda_core.volumes import LabelVolume, read_labels, write_volume


def learns_beside_ignored_voxels(subject: SegmenterSubject) -> None:
    """Declared to ignore voxels, it learns from cases that have some, and never returns their label."""
    model = _trained(subject, ignore=True)
    for modality in subject.task.modalities:
        image = subject.image(modality)
        expect_sound(subject, image, subject.segment(model, image))


def ignored_voxels_are_no_background(subject: SegmenterSubject) -> None:
    """Voxels to be ignored teach it something else than voxels that are known to be background."""
    ignored, background = (subject.answers(_trained(subject, ignore=ignore)) for ignore in (True, False))
    expect(
        any(not np.array_equal(ignored[name], background[name]) for name in ignored),
        "It learns the same from voxels to be ignored as from background.",
        "Leave voxels with the label data.ignore out of the loss, or leave ignores_voxels of the offer at "
        "False.",
    )


def _trained(subject: SegmenterSubject, *, ignore: bool) -> Any:
    """A model that was trained with a part of the tumour ignored, or declared background."""
    label = len(subject.task.structures) + 1
    name = "ignored" if ignore else "background"
    folder = subject.work / name
    if not folder.exists():
        folder.mkdir()
    data: SegmentationData = subject.data
    cases = tuple(
        _with_part(case, subject.task.tumour_label, label if ignore else 0, folder) for case in data.cases
    )
    changed = replace(data, cases=Cohort(name=name, cases=cases), ignore=label if ignore else None)
    return subject.fit(name, data=changed)


def _with_part(case: Case, tumour: int, label: int, folder: Path) -> Case:
    """The case with another label in the lower half of its tumour."""
    labels = read_labels(case.labels, case.id) if case.labels else None
    if labels is None:
        return case
    voxels = labels.voxels.copy()
    heights = np.flatnonzero((voxels == tumour).any(axis=(0, 1)))
    lower = voxels[:, :, : heights[len(heights) // 2] + 1]
    lower[lower == tumour] = label
    path = folder / f"{case.id}_labels.nii"
    write_volume(path, LabelVolume(voxels, labels.affine, case.id))
    return case.model_copy(update={"labels": path})


IGNORING: tuple[Rule, ...] = (learns_beside_ignored_voxels, ignored_voxels_are_no_background)
