"""How well a scan lies on the atlas, in figures that can be compared over the cases of one modality.

The value that the optimiser ends with cannot: it is computed from a few samples, and its bins reach
from the darkest to the brightest voxel of each scan, wherever those happen to be.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from cmda_core.schema import PluginConfig
from cmda_core.volumes.geometry import Matrix

BINS = 32
"""Of the intensities of either image."""

LIMITS = (0.5, 99.5)
"""Percentiles of the intensities that the bins reach to."""


class Quality(PluginConfig):
    """Figures of an alignment."""

    agreement: float
    """Normalised mutual information 2 I(A; B) / (H(A) + H(B)) within the overlap: 0 (nothing in common)
    to 1 (each tells the other)."""

    overlap: float
    """Share of the smaller field of view that lies within the other one, 0 to 1."""

    turn_degrees: float
    """Angle of the rotation from the atlas to the scan, 0 to 180."""

    shift_mm: float
    """Distance from the middle of the scan's field of view to where the atlas's middle comes to lie."""

    scales: tuple[float, float]
    """Smallest and largest stretch of any direction; 1 keeps lengths."""


def measure(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform, matrix: Matrix) -> Quality:
    """Measure an alignment.

    Args:
        fixed: The atlas, at the resolution to measure at.
        moving: The scan, at about the same resolution.
        transform: Points of the atlas to points of the scan.
        matrix: The same as a ``(4, 4)`` matrix.
    """
    resampled = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, transform, sitk.sitkLinear, np.nan))
    inside = np.isfinite(resampled)
    atlas = sitk.GetArrayFromImage(fixed)
    scan = sitk.GetArrayFromImage(moving)
    stretch = np.linalg.svd(matrix[:3, :3], compute_uv=False)
    shift = np.array(transform.TransformPoint(_centre(fixed))) - _centre(moving)
    return Quality(
        agreement=agreement(_binned(atlas[inside], atlas), _binned(resampled[inside], scan)),
        overlap=_overlap(inside, fixed, moving, float(np.prod(stretch))),
        turn_degrees=turn_of(matrix),
        shift_mm=float(np.linalg.norm(shift)),
        scales=(float(stretch.min()), float(stretch.max())),
    )


def agreement(first: NDArray[np.intp], second: NDArray[np.intp]) -> float:
    """Normalised mutual information of two images; 0 if one of them shows nothing.

    Args:
        first: Bin of each voxel, 0 to ``BINS`` - 1.
        second: The same of the other image.
    """
    joint = np.bincount(first * BINS + second, minlength=BINS * BINS).reshape(BINS, BINS)
    one, other, both = (_entropy(counts) for counts in (joint.sum(axis=1), joint.sum(axis=0), joint))
    return 2 * (one + other - both) / (one + other) if min(one, other) > 0 else 0.0


def turn_of(matrix: Matrix) -> float:
    """Angle in degrees of the rotation that is nearest to a ``(4, 4)`` affine matrix."""
    left, _, right = np.linalg.svd(matrix[:3, :3])
    return float(np.rad2deg(Rotation.from_matrix(left @ right).magnitude()))


def _binned(values: NDArray[np.float32], whole: NDArray[np.float32]) -> NDArray[np.intp]:
    low, high = np.percentile(whole, LIMITS)
    scaled = (values - low) / max(float(high - low), 1e-12) * BINS
    return np.clip(scaled, 0, BINS - 1).astype(np.intp)


def _entropy(counts: NDArray[np.intp]) -> float:
    shares = counts[counts > 0] / max(int(counts.sum()), 1)
    return float(-(shares * np.log(shares)).sum())


def _overlap(inside: NDArray[np.bool_], fixed: sitk.Image, moving: sitk.Image, stretch: float) -> float:
    of_atlas = float(inside.mean())
    common = inside.sum() * np.prod(fixed.GetSpacing()) * stretch
    of_scan = common / (np.prod(moving.GetSpacing()) * moving.GetNumberOfPixels())
    return min(1.0, max(of_atlas, float(of_scan)))


def _centre(image: sitk.Image) -> NDArray[np.float64]:
    middle = [(size - 1) / 2 for size in image.GetSize()]
    return np.array(image.TransformContinuousIndexToPhysicalPoint(middle))
