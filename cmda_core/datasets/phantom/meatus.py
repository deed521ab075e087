"""Tells the part of a tumour inside the internal auditory canal from the part in the cistern."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmda_core.datasets.phantom.anatomy import Subject
from cmda_core.datasets.phantom.inner_ear import FUNDUS, PORUS
from cmda_core.datasets.phantom.plan import Scanned
from cmda_core.datasets.phantom.shapes import Points
from cmda_core.volumes import LabelVolume
from cmda_core.volumes.geometry import Matrix, to_mm

EXTRAMEATAL, INTRAMEATAL, COCHLEA = 1, 2, 3
"""Labels of crossMoDA 2023."""


def three_structures(scanned: Scanned) -> LabelVolume:
    """The labels of crossMoDA 2023: the tumour is cut at the porus, the opening of the canal.

    A tumour of grade I has no part in the cistern, so its extrameatal label is absent.
    """
    tumour = np.argwhere(scanned.labels.voxels == 1)
    labels = np.where(scanned.labels.voxels == 2, COCHLEA, 0).astype(np.uint8)
    if scanned.subject.tumour.bulb is None:
        inside = np.ones(len(tumour), dtype=np.bool_)
    else:
        inside = _beyond_porus(scanned.subject, to_mm(scanned.labels.affine, tumour.astype(np.float64)))
    labels[tuple(tumour.T)] = np.where(inside, INTRAMEATAL, EXTRAMEATAL)
    return LabelVolume(labels, scanned.labels.affine, scanned.labels.case)


def _beyond_porus(subject: Subject, places: Matrix) -> NDArray[np.bool_]:
    """Whether places in scanner RAS mm, shape ``(N, 3)``, lie on the ear's side of the porus."""
    x, y, z = to_mm(subject.pose, places).astype(np.float32).T
    head = subject.bend(Points(x, y, z)).mirrored(subject.side)
    along = np.array(FUNDUS) - np.array(PORUS)
    return np.asarray((np.stack([head.x, head.y, head.z], axis=-1) - np.array(PORUS)) @ along > 0)
