"""Arrays with the sizes of real scans: a head in noise, a tumour and two cochleae, 209 regions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from cmda_core.volumes import LabelVolume, Volume

SCAN = (448, 448, 80)
"""Voxels I, J, K of a crossMoDA hrT2 scan."""

CROP = (256, 256, 80)
"""Voxels of a prepared scan, as in the paper."""

SPACING = (0.41, 0.41, 1.0)
AFFINE = np.diag([*SPACING, 1.0])
REGIONS = 209
STRUCTURES = {"vs": 1, "cochlea": 2}


def head(shape: tuple[int, int, int], seed: int = 0) -> Volume:
    """Intensities in [-1, 1]; noise fills the whole array, as in a scan."""
    draw = np.random.default_rng(seed)
    tissue = zoom(draw.uniform(0, 1, (8, 8, 8)), [edge / 8 for edge in shape], order=1)
    inside = _ball(shape, (0.5, 0.5, 0.5), (0.4 * shape[0], 0.45 * shape[1], 0.6 * shape[2]))
    voxels = np.abs(inside * (0.3 + tissue) + draw.normal(0, 0.03, shape)) - 1
    return Volume(np.clip(voxels, -1, 1).astype(np.float32), AFFINE, "hrT2", f"case{seed}")


def structures(shape: tuple[int, int, int], seed: int = 0, *, shift: float = 0.0) -> LabelVolume:
    """A tumour of 30 mm and two cochleae of 5 mm; smaller in a volume with an edge below 80 mm.

    Args:
        shape: Voxels I, J, K.
        seed: Which case: the structures lie at other places and have other sizes.
        shift: Distance in mm that all is moved by, for a prediction that is not quite right.
    """
    draw = np.random.default_rng(seed)
    labels = np.zeros(shape, dtype=np.uint8)
    moved = [shift / (edge * step) for edge, step in zip(shape, SPACING, strict=True)]
    scale = min(1.0, min(edge * step for edge, step in zip(shape, SPACING, strict=True)) / 80)
    for label, place, radius in ((2, 0.2, 2.5), (2, 0.8, 2.5), (1, 0.55, 15.0)):
        centre = [a + b + draw.uniform(-0.01, 0.01) for a, b in zip((place, 0.5, 0.5), moved, strict=True)]
        radii = [max(radius * scale, 1.5) * draw.uniform(0.9, 1.1) / step for step in SPACING]
        labels[_ball(shape, tuple(centre), tuple(radii))] = label
    return LabelVolume(labels, AFFINE, f"case{seed}")


def regions(shape: tuple[int, int, int], seed: int = 0) -> LabelVolume:
    """A parcellation: smooth regions with the labels 0 to 208 within the head."""
    draw = np.random.default_rng(seed)
    field = zoom(draw.uniform(0, REGIONS, (6, 6, 6)), [edge / 6 for edge in shape], order=1)
    return LabelVolume(field.astype(np.uint8), AFFINE, f"case{seed}")


def _ball(
    shape: tuple[int, int, int], centre: tuple[float, ...], radii: tuple[float, ...]
) -> NDArray[np.bool_]:
    axes = [
        ((np.arange(edge) - middle * edge) / radius) ** 2
        for edge, middle, radius in zip(shape, centre, radii, strict=True)
    ]
    inside: NDArray[np.bool_] = axes[0][:, None, None] + axes[1][:, None] + axes[2] <= 1
    return inside
