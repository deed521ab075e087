"""Scores of a segmentation against a reference, structure by structure.

Overlap and surface distances as the crossMoDA challenge computes them. What an empty mask scores is
decided here once, for all metrics:

============  =========  ====  =======  =======  =================================================
prediction    reference  Dice  ASSD     HD95     note
============  =========  ====  =======  =======  =================================================
empty         present    0     350 mm   350 mm   ``missed``; the challenge's values for ASSD
present       empty      NaN   NaN      NaN      ``no reference``; not part of any mean
empty         empty      1     0 mm     0 mm     ``absent``; rightly left out
============  =========  ====  =======  =======  =================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cmda_core.errors import DataError
from cmda_core.evaluation.surfaces import Mask, Spacing, surface_distances, union_box
from cmda_core.volumes import LabelVolume, require_same_grid

Definition = Literal["challenge", "pooled"]
"""How the two directions make one ASSD.

``challenge``: the mean of the two directional means (MedPy 0.4.0). ``pooled``: the mean over the
surface voxels of both masks together (MedPy 0.5.2).
"""

Note = Literal["", "missed", "no reference", "absent", "no prediction"]

MISS_MM = 350.0
"""ASSD and HD95 of a structure that was not found at all, in mm; the challenge's value for ASSD."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What a column of scores means.

    Attributes:
        name: Name of the column.
        title: Name in tables for people.
        unit: Empty for a ratio.
        higher_is_better: Which way is better.
        miss: Value for a structure that was not found at all.
    """

    name: str
    title: str
    unit: str
    higher_is_better: bool
    miss: float


DICE = Metric("dice", "Dice", "", higher_is_better=True, miss=0.0)
ASSD = Metric("assd_mm", "ASSD", "mm", higher_is_better=False, miss=MISS_MM)
HD95 = Metric("hd95_mm", "HD95", "mm", higher_is_better=False, miss=MISS_MM)
METRICS = (DICE, ASSD, HD95)
"""The metrics of a segmentation, in the order of the tables."""


@dataclass(frozen=True, slots=True)
class StructureScore:
    """The scores of one structure in one case.

    Attributes:
        case: Identifier of the case.
        structure: Name of the structure.
        dice: Dice coefficient, 0 to 1; NaN where there is no reference.
        assd_mm: Average symmetric surface distance; NaN where there is no reference.
        hd95_mm: 95th percentile of the surface distances; NaN where there is no reference.
        volume_mm3: Volume of the prediction.
        reference_mm3: Volume of the reference.
        note: What is special about it; see the table at the top of this module.
    """

    case: str
    structure: str
    dice: float
    assd_mm: float
    hd95_mm: float
    volume_mm3: float
    reference_mm3: float
    note: Note = ""


def dice(prediction: Mask, reference: Mask) -> float:
    """Dice coefficient of two boolean masks of the same shape, 0 to 1.

    Returns:
        1 if both are empty, NaN if only the reference is.
    """
    sizes = int(np.count_nonzero(prediction)), int(np.count_nonzero(reference))
    if sizes[1] == 0:
        return 1.0 if sizes[0] == 0 else np.nan
    return 2 * int(np.count_nonzero(prediction & reference)) / sum(sizes)


def assd_mm(
    prediction: Mask, reference: Mask, spacing: Spacing, definition: Definition = "challenge"
) -> float:
    """Average symmetric surface distance in mm.

    Args:
        prediction: Boolean, shape ``(I, J, K)``.
        reference: The same.
        spacing: Voxel edge lengths in mm along I, J and K.
        definition: How the two directions are averaged.

    Returns:
        0 if both are empty, NaN if only the reference is, ``MISS_MM`` if only the prediction is.
    """
    return _distances_mm(prediction, reference, spacing, definition)[0]


def hd95_mm(prediction: Mask, reference: Mask, spacing: Spacing) -> float:
    """95th percentile of the surface distances of both directions together, in mm (as MedPy).

    Args:
        prediction: Boolean, shape ``(I, J, K)``.
        reference: The same.
        spacing: Voxel edge lengths in mm along I, J and K.

    Returns:
        0 if both are empty, NaN if only the reference is, ``MISS_MM`` if only the prediction is.
    """
    return _distances_mm(prediction, reference, spacing, "challenge")[1]


def score_case(
    prediction: LabelVolume,
    reference: LabelVolume,
    structures: Mapping[str, int],
    case: str,
    definition: Definition = "challenge",
) -> list[StructureScore]:
    """Score the structures of one case on the scan's own grid.

    Args:
        prediction: Labels on the grid of ``reference``.
        reference: Labels drawn by an expert.
        structures: Label value of each structure.
        case: Identifier of the case.
        definition: Which ASSD.

    Returns:
        One score per structure, in the order of ``structures``.

    Raises:
        GeometryError: If the two are not on one grid.
        DataError: If one holds a label that is no structure of the task.
    """
    require_same_grid(reference.grid, prediction.grid, (f"the reference of {case}", f"prediction of {case}"))
    region = union_box(prediction.voxels, reference.voxels)
    predicted, truth = prediction.voxels[region], reference.voxels[region]
    for voxels, name in ((predicted, "prediction"), (truth, "reference")):
        _check_labels(voxels, structures, f"case {case}: the {name}")
    return [
        _score(predicted == label, truth == label, reference.spacing, definition, (case, structure))
        for structure, label in structures.items()
    ]


def score_missing(reference: LabelVolume, structures: Mapping[str, int], case: str) -> list[StructureScore]:
    """Score a case that nobody predicted: each structure that is there counts as missed.

    Structures that the reference does not have get no score, as there is nothing to be right about.

    Args:
        reference: Labels drawn by an expert.
        structures: Label value of each structure.
        case: Identifier of the case.

    Raises:
        DataError: If the reference holds a label that is no structure of the task.
    """
    _check_labels(reference.voxels, structures, f"case {case}: the reference")
    voxel = float(np.prod(reference.spacing))
    scores = []
    for structure, label in structures.items():
        volume = voxel * int(np.count_nonzero(reference.voxels == label))
        values = {metric.name: metric.miss if volume else np.nan for metric in METRICS}
        scores.append(
            StructureScore(
                case, structure, **values, volume_mm3=0.0, reference_mm3=volume, note="no prediction"
            )
        )
    return scores


def _score(
    prediction: Mask, reference: Mask, spacing: Spacing, definition: Definition, key: tuple[str, str]
) -> StructureScore:
    voxel = float(np.prod(spacing))
    assd, hd95 = _distances_mm(prediction, reference, spacing, definition)
    return StructureScore(
        case=key[0],
        structure=key[1],
        dice=dice(prediction, reference),
        assd_mm=assd,
        hd95_mm=hd95,
        volume_mm3=voxel * int(np.count_nonzero(prediction)),
        reference_mm3=voxel * int(np.count_nonzero(reference)),
        note=_note(bool(prediction.any()), bool(reference.any())),
    )


def _distances_mm(
    prediction: Mask, reference: Mask, spacing: Spacing, definition: Definition
) -> tuple[float, float]:
    """ASSD and HD95 from one pass over the surfaces."""
    found, present = bool(prediction.any()), bool(reference.any())
    if not present:
        return (np.nan, np.nan) if found else (0.0, 0.0)
    if not found:
        return ASSD.miss, HD95.miss
    distances = surface_distances(prediction, reference, spacing)
    means = distances.to_reference.mean(), distances.to_prediction.mean()
    assd = float(np.mean(means)) if definition == "challenge" else float(distances.pooled.mean())
    return assd, float(np.percentile(distances.pooled, 95))


def _note(found: bool, present: bool) -> Note:
    if present:
        return "" if found else "missed"
    return "no reference" if found else "absent"


def _check_labels(voxels: NDArray[np.uint8], structures: Mapping[str, int], where: str) -> None:
    counts = np.bincount(voxels.ravel(), minlength=256)
    unknown = sorted(set(np.flatnonzero(counts).tolist()) - {0, *structures.values()})
    if unknown:
        known = ", ".join(f"{name} = {label}" for name, label in structures.items())
        raise DataError(
            f"{where} holds label {', '.join(map(str, unknown))}, but the task has {known}. "
            "Set the task's structures to what the labels mean."
        )
