"""Brings the values of label files to the labels of the task.

Everything after the reading of a dataset, plugins above all, sees the labels of the task and no
others: parts that a task treats as one structure are merged here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cmda_core.errors import DataError
from cmda_core.volumes import LabelVolume, read_labels


def read_task_labels(path: Path, case: str, values: Mapping[int, int] | None) -> LabelVolume:
    """Read a label file in the labels of the task.

    Args:
        path: NIfTI file.
        case: Whose it is.
        values: Label of the task by value of the file; nothing leaves the values as they are.

    Raises:
        DataError: If the file cannot be read, or holds a value that ``values`` does not know.
        GeometryError: If it is not three-dimensional or its affine makes no sense.
    """
    labels = read_labels(path, case)
    if values is None:
        return labels
    if unknown := unknown_values(labels, values):
        raise DataError(
            f"{path}: has the values {unknown}; the label files of this layout have {sorted(values)}. "
            "Correct the file, or say in data.labels which structures these are."
        )
    return in_task_labels(labels, values)


def unknown_values(labels: LabelVolume, values: Mapping[int, int]) -> list[int]:
    """Values of a label map that stand for nothing."""
    return sorted({int(value) for value in np.unique(labels.voxels)} - {0, *values})


def in_task_labels(labels: LabelVolume, values: Mapping[int, int]) -> LabelVolume:
    """The same map in the labels of the task; values that are not known become background."""
    table = np.zeros(256, np.uint8)
    table[list(values)] = list(values.values())
    return LabelVolume(table[labels.voxels], labels.affine, labels.case)
