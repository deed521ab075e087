"""Brings the intensities of every scan of a modality to those of one reference scan.

The matching is that of ITK's HistogramMatchingImageFilter (Nyul et al., IEEE TMI 2000) with the
threshold at the mean. It is written out here because ITK's filter needs the whole reference image
at hand for each scan, and the whole scan as well, while this keeps ten numbers of the reference and
maps only the region of interest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cmda_core.errors import ConfigError
from cmda_core.schema import PluginConfig
from cmda_crossmoda.config import IntensityConfig


class Landmarks(PluginConfig):
    """Intensities of a scan that stand for its histogram."""

    values: tuple[float, ...]
    """Lowest, mean, quantiles of the voxels above the mean, highest; rising."""

    @classmethod
    def of(cls, voxels: NDArray[np.float32], config: IntensityConfig) -> Self:
        """Landmarks of a scan, shape ``(I, J, K)``."""
        values = voxels.ravel(order="K")  # as it lies in memory: any other order is a copy of the scan
        low, mean, high = float(values.min()), float(values.mean(dtype=np.float64)), float(values.max())
        counts, edges = _histogram(values, mean, max(high, mean + 1e-6), config.levels)
        shares = np.concatenate([[0.0], np.cumsum(counts) / max(counts.sum(), 1)])
        wanted = np.arange(1, config.match_points + 1) / (config.match_points + 1)
        quantiles = np.interp(wanted, shares, edges)
        return cls(values=(low, mean, *quantiles.tolist(), high))


class IntensityScale(PluginConfig):
    """Common intensities of one modality."""

    reference: Landmarks
    """Landmarks of the reference scan."""

    low: float
    """Matched intensity that becomes -1; lower ones do too."""

    high: float
    """Matched intensity that becomes 1; higher ones do too."""

    @classmethod
    def fit(cls, voxels: NDArray[np.float32], modality: str, config: IntensityConfig) -> Self:
        """Take a scan, shape ``(I, J, K)``, as the reference of its modality."""
        landmarks = Landmarks.of(voxels, config)
        if config.range == "fixed":
            return cls(reference=landmarks, low=0.0, high=_ceiling(modality, config.ceilings))
        low, high = np.percentile(voxels.ravel(order="K"), (100 - config.percentile, config.percentile))
        return cls(reference=landmarks, low=float(low), high=max(float(high), float(low) + 1e-6))

    def raised_to(self, high: float) -> Self:
        """The same scale, clipping nothing below ``high``."""
        return self.model_copy(update={"high": max(self.high, high)})

    def match(self, voxels: NDArray[np.float32], landmarks: Landmarks) -> NDArray[np.float64]:
        """Bring intensities to those of the reference; arguments as for ``apply``."""
        known, matched = _strictly_rising(landmarks.values, self.reference.values)
        return np.interp(voxels, known, matched)

    def apply(self, voxels: NDArray[np.float32], landmarks: Landmarks) -> NDArray[np.float32]:
        """Match and scale.

        Args:
            voxels: Any part of a scan.
            landmarks: Those of the whole scan.

        Returns:
            Float32 in [-1, 1].
        """
        values = self.match(voxels, landmarks)
        scaled = 2 * (values - self.low) / (self.high - self.low) - 1
        result: NDArray[np.float32] = np.clip(scaled, -1, 1).astype(np.float32)
        return result


def _histogram(
    values: NDArray[np.float32], low: float, high: float, bins: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Counts between ``low`` and the highest value; NumPy's own takes five times as long for a scan."""
    above = values[values >= low]
    places = ((above - np.float32(low)) * np.float32(bins / (high - low))).astype(np.int32)
    counts = np.bincount(np.minimum(places, bins - 1), minlength=bins)
    return counts, np.linspace(low, high, bins + 1)


def _ceiling(modality: str, ceilings: Mapping[str, float]) -> float:
    if modality not in ceilings:
        raise ConfigError(
            f"preprocessor crossmoda: intensity.ceilings has no {modality!r}. Add it, or set "
            "intensity.range to 'percentile'."
        )
    return ceilings[modality]


def _strictly_rising(
    known: tuple[float, ...], matched: tuple[float, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Landmarks without repeats, which a scan of few grey levels has."""
    values, first = np.unique(np.array(known), return_index=True)
    return values, np.array(matched)[first]
