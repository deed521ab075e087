"""The scanners: grids, coil sensitivity, noise, gain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from cmda_core.datasets.phantom.contrast import SEQUENCES, Modality, signal
from cmda_core.datasets.phantom.shapes import Field
from cmda_core.datasets.phantom.tissues import TISSUES, Structure
from cmda_core.volumes.geometry import Grid

ORIENTATIONS = {"LPS": (-1.0, -1.0, 1.0), "RAS": (1.0, 1.0, 1.0)}


@dataclass(frozen=True, slots=True)
class Protocol:
    """How one centre scans one modality.

    Attributes:
        spacing: Voxel edges in mm.
        shape: Voxels along I, J and K.
        orientation: Where the axes point.
        gain: Intensity per unit of signal.
        noise: Standard deviation of the noise, as a share of the brightest tissue's signal.
    """

    spacing: tuple[float, float, float]
    shape: tuple[int, int, int]
    orientation: str
    gain: float
    noise: float


CENTRE_OF_SCAN_MM = (0.0, 2.0, 0.0)


def place_grid(protocol: Protocol, random: np.random.Generator) -> Grid:
    """Lay a slightly oblique grid about the canals, as a radiographer would."""
    turn = Rotation.from_euler("xyz", random.uniform(-4, 4, 3), degrees=True).as_matrix()
    axes = turn @ np.diag(np.array(ORIENTATIONS[protocol.orientation]) * protocol.spacing)
    affine = np.eye(4)
    affine[:3, :3] = axes
    centre = np.array(CENTRE_OF_SCAN_MM) + random.uniform(-3, 3, 3)
    affine[:3, 3] = centre - axes @ ((np.array(protocol.shape) - 1) / 2)
    # NIfTI stores 32-bit numbers: what is written must be what was painted.
    return Grid.model_validate({"shape": protocol.shape, "affine": affine.astype(np.float32).astype(float)})


def structure_signals(modality: Modality, random: np.random.Generator) -> Mapping[Structure, float]:
    """Signal of each structure in one subject: the sequence's, within some per cent."""
    sequence = SEQUENCES[modality]
    return {
        structure: signal(tissue, sequence) * float(random.normal(1, 0.03))
        for structure, tissue in TISSUES.items()
    }


def brightest(modality: Modality) -> float:
    """Signal of the tissue that is brightest, relative to the equilibrium magnetisation of water."""
    return max(signal(tissue, SEQUENCES[modality]) for tissue in TISSUES.values())


def receive(clean: Field, protocol: Protocol, modality: Modality, random: np.random.Generator) -> Field:
    """What the scanner stores: coil sensitivity, Rician noise (Gudbjartsson and Patz 1995), gain."""
    highest = brightest(modality)
    shaded = clean * _sensitivity(clean.shape, random)
    sigma = protocol.noise * highest
    real = shaded + sigma * random.standard_normal(clean.shape, dtype=np.float32)
    imaginary = sigma * random.standard_normal(clean.shape, dtype=np.float32)
    gain = protocol.gain / highest * float(random.uniform(0.85, 1.15))
    return np.rint(gain * np.hypot(real, imaginary)).astype(np.float32)


def _sensitivity(shape: tuple[int, ...], random: np.random.Generator) -> Field:
    """A smooth field about 1: an exponential of a quadratic polynomial, within about 20 %."""
    i, j, k = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape)
    linear, square = random.normal(0, 0.07, 3), random.normal(0, 0.06, 3)
    parts = [np.exp(a * u + b * u * u) for a, b, u in zip(linear, square, (i, j, k), strict=True)]
    return (parts[0][:, None, None] * parts[1][None, :, None] * parts[2][None, None, :]).astype(np.float32)
