"""Whether an alignment can be trusted: compared with those of the other cases, and with what heads do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from cmda_core.errors import DataError
from cmda_core.schema import PluginConfig
from cmda_core.volumes import Volume
from cmda_crossmoda.config import Metric, RegistrationConfig, TrustConfig
from cmda_crossmoda.registration import Registration, register
from cmda_crossmoda.retry import register_again

SMALLEST_SPREAD = 0.05
"""Of the agreement, relative to its median: cases that are all alike would make any other an outlier."""


class Agreement(PluginConfig):
    """How well the training cases of one modality agree with the atlas."""

    cases: int = 0
    """Number of them."""

    median: float = 0.0
    """Of their agreement."""

    spread: float = 0.0
    """Their standard deviation, from the median absolute deviation so that failures do not widen it."""

    @classmethod
    def of(cls, registrations: Sequence[Registration]) -> Self:
        """The agreement of registered cases."""
        values = np.array([one.quality.agreement for one in registrations])
        if not len(values):
            return cls()
        median = float(np.median(values))
        spread = 1.4826 * float(np.median(np.abs(values - median)))
        return cls(cases=len(values), median=median, spread=max(spread, SMALLEST_SPREAD * median))

    def shortfall(self, registration: Registration, config: TrustConfig) -> float:
        """Standard deviations below the median; 0 above it, and where there are too few cases to tell."""
        if self.cases < config.fewest_cases or self.spread <= 0:
            return 0.0
        return max(0.0, (self.median - registration.quality.agreement) / self.spread)


def concerns(registration: Registration, others: Agreement, config: TrustConfig) -> tuple[str, ...]:
    """What speaks against an alignment, in words for the user; nothing if it can be trusted."""
    return _against(registration, others, config, config.flagged_below)


def is_doubtful(registration: Registration, others: Agreement, config: TrustConfig) -> bool:
    """Whether other starts are worth a try: sooner than an alignment is flagged."""
    return bool(_against(registration, others, config, config.retried_below))


def register_trusted(
    atlas: Volume, scan: Volume, metric: Metric, config: RegistrationConfig, others: Agreement
) -> Registration:
    """Register from the usual start and, where that is doubtful, from others.

    Raises:
        DataError: If no start leads anywhere.
    """
    try:
        first = register(atlas, scan, metric, config)
    except DataError:  # another start may still do
        return register_again(atlas, scan, metric, config, None)
    if not is_doubtful(first, others, config.trust):
        return first
    return register_again(atlas, scan, metric, config, first)


def _against(
    registration: Registration, others: Agreement, config: TrustConfig, limit: float
) -> tuple[str, ...]:
    quality = registration.quality
    shortfall = others.shortfall(registration, config)
    smallest, largest = quality.scales
    found = []
    if shortfall > limit:
        found.append(
            f"the scan agrees less with the atlas ({quality.agreement:.3f}) than others of its modality "
            f"({others.median:.3f} ± {others.spread:.3f})"
        )
    if quality.overlap < config.smallest_overlap:
        found.append(
            f"the scan overlaps with the atlas by {quality.overlap:.0%} of the smaller field of view only"
        )
    if quality.turn_degrees > config.largest_turn_degrees:
        found.append(
            f"the scan is turned by {quality.turn_degrees:.0f}° against the atlas (is its header right?)"
        )
    if quality.shift_mm > config.largest_shift_mm:
        found.append(f"the head is {quality.shift_mm:.0f} mm off the middle of the field of view")
    if smallest < config.smallest_scale or largest > config.largest_scale:
        found.append(f"the head is stretched by {smallest:.2f} to {largest:.2f} against the atlas")
    if registration.rigid_only:
        found.append(
            "the scan is aligned by rotation and shift alone, because its affine alignment went astray"
        )
    return tuple(found)
