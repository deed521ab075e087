"""Reads the contours of an RTSTRUCT file, and fills them.

rt-utils and dcmrtstruct2nii, which others use for this, have had no release since 2023; so contours
are filled here: a voxel is inside if its centre is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.path import Path as Polygon
from numpy.typing import NDArray

from cmda_core.datasets.dicom.reading import read_whole, readable
from cmda_core.datasets.dicom.series import LPS_TO_RAS
from cmda_core.errors import DataError, GeometryError
from cmda_core.volumes import Grid
from cmda_core.volumes.geometry import Matrix, to_mm

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "vs": ("tv", "an", "vs", "gtv", "tumour", "tumor", "schwannoma", "neuroma"),
    "cochlea": ("cochlea", "cochleae"),
}
"""Words in the names that people gave to structures in the TCIA collection. Not among them: ``Test``,
which repeats the tumour, and ``Men`` and ``vol 2y``, which are a meningioma."""

PLANE_TOLERANCE = 0.3
"""A contour may lie this far from its slice, as a share of the gap between slices."""


MOST_POINTS = 10_000
"""Points of a contour; hand-drawn ones have some hundreds, and the time to fill one grows with them."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A region of interest of a structure set.

    Attributes:
        name: As somebody typed it.
        contours: Closed polygons in RAS+ mm, each of shape ``(N, 3)``.
    """

    name: str
    contours: tuple[Matrix, ...]


@dataclass(frozen=True, slots=True, eq=False)
class StructureSet:
    """What was drawn on one or more series.

    Attributes:
        path: The file.
        series: UIDs of the series that it was drawn on.
        regions: What was drawn.
    """

    path: Path
    series: frozenset[str]
    regions: tuple[Region, ...]


def read_structure_set(path: Path) -> StructureSet:
    """Read an RTSTRUCT file.

    Raises:
        DataError: If the file is damaged.
    """
    content = read_whole(path)
    with readable(path, "RTSTRUCT"):
        names = {int(roi.ROINumber): str(roi.ROIName) for roi in content.get("StructureSetROISequence") or ()}
        regions = [
            Region(names.get(int(roi.ReferencedROINumber), ""), tuple(_closed_contours(roi)))
            for roi in content.get("ROIContourSequence") or ()
        ]
        found = StructureSet(path, frozenset(_series_of(content)), tuple(regions))
    for region in regions:
        for contour in region.contours:
            _check_contour(contour, f"{path}: region {region.name!r}: ContourData")
    return found


def structure_of(name: str, synonyms: Mapping[str, Sequence[str]]) -> str | None:
    """Which structure somebody meant, by the words of the name; nothing if none of them is known."""
    words = re.findall(r"[a-z]+", name.lower())
    return next((structure for structure, known in synonyms.items() if set(words) & set(known)), None)


def fill(contours: Sequence[Matrix], grid: Grid) -> NDArray[np.bool_]:
    """Voxels whose centres lie inside of contours; a contour within another one is a hole.

    Args:
        contours: Closed polygons in RAS+ mm, parallel to the slices of the grid.
        grid: Slices are stacked along K.

    Raises:
        GeometryError: If a contour lies between two slices, across them, or outside of the scan.
    """
    mask = np.zeros(grid.shape, dtype=np.bool_)
    to_index = np.linalg.inv(grid.matrix)
    for contour in contours:
        index = to_mm(to_index.astype(np.float64), contour)
        k = round(float(index[:, 2].mean()))
        if np.abs(index[:, 2] - k).max() > PLANE_TOLERANCE or not 0 <= k < grid.shape[2]:
            raise GeometryError("a contour lies on no slice of the series that it is said to belong to.")
        _flip_inside(mask[:, :, k], index[:, :2])
    return mask


def _flip_inside(mask: NDArray[np.bool_], polygon: Matrix) -> None:
    low = np.maximum(np.floor(polygon.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(polygon.max(axis=0)).astype(int) + 1, mask.shape)
    if (low >= high).any():
        return
    centres = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1)
    inside = Polygon(polygon, closed=False).contains_points(centres.reshape(-1, 2))
    mask[low[0] : high[0], low[1] : high[1]] ^= inside.reshape(centres.shape[:2])


def _check_contour(contour: Matrix, where: str) -> None:
    if not np.isfinite(contour).all():
        raise DataError(f"{where}: holds NaN or infinite coordinates. Draw the contour again.")
    if len(contour) > MOST_POINTS:
        raise DataError(
            f"{where}: a contour has {len(contour)} points. Export it with {MOST_POINTS} at most."
        )


def _closed_contours(roi: Any) -> Iterator[Matrix]:
    for contour in roi.get("ContourSequence") or ():
        if str(contour.ContourGeometricType).startswith("CLOSED"):
            yield np.array(contour.ContourData, dtype=np.float64).reshape(-1, 3) @ LPS_TO_RAS


def _series_of(content: Any) -> Iterator[str]:
    for frame in content.get("ReferencedFrameOfReferenceSequence") or ():
        for study in frame.get("RTReferencedStudySequence") or ():
            for series in study.get("RTReferencedSeriesSequence") or ():
                yield str(series.SeriesInstanceUID)
