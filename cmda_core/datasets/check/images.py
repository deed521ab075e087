"""Looks at the image of a case: its header and its intensities."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
from nibabel.orientations import aff2axcodes, apply_orientation, io_orientation

from cmda_core.datasets.check.finding import Finding, Intensities, error, warning
from cmda_core.schema import Case
from cmda_core.volumes import Volume
from cmda_core.volumes.geometry import GRID_TOLERANCE, Matrix, corners, to_mm
from cmda_core.volumes.nifti import Placement

SKEW = 1e-4
"""Direction cosines further from orthonormal than this are refused by ITK."""

THICK = 1.2
"""Slices are taken to be stacked along an axis whose voxel edge is this many times longer than the others."""

MOSTLY = 0.9
"""Share of the voxels that may be 0."""

CLIPPED = 0.002
"""Share of the voxels that may have the highest intensity."""

FEW = 16
"""A scan has more different intensities than this."""


def orientation_of(affine: Matrix) -> str:
    """Where the axes point, such as ``LPS``."""
    return "".join(aff2axcodes(affine))


def slice_axis(spacing: tuple[float, float, float]) -> int | None:
    """The axis that slices are stacked along; nothing if the voxels are nearly cubes."""
    longest = int(np.argmax(spacing))
    others = [edge for axis, edge in enumerate(spacing) if axis != longest]
    return longest if spacing[longest] > THICK * max(others) else None


def digest_of(scan: Volume) -> str:
    """Of the intensities in RAS order, so that a copy with other axes has the same."""
    turned = apply_orientation(scan.voxels, io_orientation(scan.affine))
    digest = hashlib.blake2b(repr(turned.shape).encode(), digest_size=16)
    for plane in turned.T:  # one at a time: a copy of a large scan would not fit into memory
        digest.update(np.ascontiguousarray(plane).data)
    return digest.hexdigest()


def intensities_of(scan: Volume) -> Intensities:
    """Measure the intensities of a scan."""
    voxels, size = scan.voxels, scan.voxels.size
    high = float(voxels.max())
    return Intensities(
        low=float(voxels.min()),
        high=high,
        zero=np.count_nonzero(voxels == 0) / size,
        negative=np.count_nonzero(voxels < 0) / size,
        highest=np.count_nonzero(voxels == high) / size,
        different=len(np.unique(voxels[::3, ::3, ::2])),
    )


def intensity_findings(case: Case, found: Intensities) -> Iterator[Finding]:
    """What is wrong with the intensities of a scan."""
    if found.low == found.high:
        yield error(case, case.image, "all voxels have the same intensity. Export it again.", "intensities")
        return
    if found.different <= FEW:
        message = "has hardly any different intensities. Is it a label map?"
        yield warning(case, case.image, message, "intensities")
    elif found.highest > CLIPPED:
        message = (
            f"{found.highest:.1%} of the voxels have the highest intensity ({found.high:g}): it was clipped."
        )
        yield warning(case, case.image, message, "intensities")
    if found.zero > MOSTLY:
        message = f"{found.zero:.0%} of the voxels are 0. Was it cropped or masked?"
        yield warning(case, case.image, message, "intensities")
    if found.negative:
        message = (
            f"{found.negative:.1%} of the voxels are negative (down to {found.low:g}), which no scanner "
            "stores. Was it normalised already?"
        )
        yield warning(case, case.image, message, "intensities")


def header_findings(case: Case, scan: Volume, placement: Placement) -> Iterator[Finding]:
    """What is wrong with the place of a scan in its header."""
    if placement.qform is None and placement.sform is None:
        message = "its header does not say how it lies (qform and sform codes are 0): left may be right."
        yield warning(case, case.image, message, "orientation")
    elif placement.qform is not None and placement.sform is not None:
        ends = corners(scan.grid.shape)
        away = np.linalg.norm(to_mm(placement.qform, ends) - to_mm(placement.sform, ends), axis=1).max()
        if away > GRID_TOLERANCE * min(scan.spacing):
            message = (
                f"the two places in its header differ by up to {away:.2f} mm. cmda reads the sform; other "
                "programs may read the qform."
            )
            yield warning(case, case.image, message, "orientation")
    directions = scan.affine[:3, :3] / np.array(scan.spacing)
    skew = float(np.abs(directions.T @ directions - np.eye(3)).max())
    if skew > SKEW:
        message = (
            f"its axes are not at right angles ({np.degrees(np.arcsin(min(skew, 1.0))):.2f}° off). The "
            "nearest right ones are used where a library asks for them; results get the original header."
        )
        yield warning(case, case.image, message, "orientation")
    yield from _slices(case, scan)


def _slices(case: Case, scan: Volume) -> Iterator[Finding]:
    axis = slice_axis(scan.spacing)
    if axis is None:
        return
    if axis != 2:
        name = ("first", "second")[axis]
        message = f"its slices are stacked along the {name} axis, not the third. It is read as it is."
        yield warning(case, case.image, message, "orientation")
    towards = orientation_of(scan.affine)[axis]
    if towards not in "SI":
        plane = "sagittal" if towards in "LR" else "coronal"
        message = f"its slices are {plane}; the networks work on axial ones, which are interpolated."
        yield warning(case, case.image, message, "orientation")
