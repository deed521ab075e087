"""How large a cohort is, and how its centres scan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cmda_core.datasets.phantom.acquisition import Protocol
from cmda_core.datasets.phantom.contrast import Modality

PresetName = Literal["demo", "standard", "full"]
Centre = Literal["ldn", "etz"]


@dataclass(frozen=True, slots=True)
class Preset:
    """A kind of cohort.

    Attributes:
        source: Default number of source cases.
        target: Default number of target training cases.
        test: Default number of target cases to be scored.
        operated: Share of source cases that carry no grade because of an operation.
        protocols: How each centre scans each modality.
    """

    source: int
    target: int
    test: int
    operated: float
    protocols: Mapping[tuple[Centre, Modality], Protocol]


PRESETS: dict[PresetName, Preset] = {
    "demo": Preset(
        source=16,
        target=12,
        test=12,
        operated=0.0,
        protocols={
            ("ldn", "ceT1"): Protocol((0.9, 0.9, 1.5), (208, 208, 48), "LPS", 1400, 0.012),
            ("etz", "ceT1"): Protocol((0.95, 0.95, 1.5), (192, 192, 46), "LPS", 900, 0.016),
            ("ldn", "hrT2"): Protocol((0.8, 0.8, 1.5), (224, 224, 48), "LPS", 1000, 0.014),
            ("etz", "hrT2"): Protocol((0.85, 0.85, 1.4), (216, 216, 50), "RAS", 1300, 0.011),
        },
    ),
    "standard": Preset(
        source=48,
        target=48,
        test=24,
        operated=0.1,
        protocols={
            ("ldn", "ceT1"): Protocol((0.6, 0.6, 1.5), (352, 352, 56), "LPS", 1400, 0.015),
            ("etz", "ceT1"): Protocol((0.8, 0.8, 1.5), (256, 256, 56), "LPS", 900, 0.018),
            ("ldn", "hrT2"): Protocol((0.6, 0.6, 1.5), (320, 320, 54), "LPS", 1000, 0.018),
            ("etz", "hrT2"): Protocol((0.6, 0.6, 1.0), (320, 320, 80), "RAS", 1300, 0.014),
        },
    ),
    "full": Preset(
        source=210,
        target=210,
        test=64,
        operated=0.13,
        protocols={
            ("ldn", "ceT1"): Protocol((0.41, 0.41, 1.0), (512, 512, 120), "LPS", 1400, 0.018),
            ("etz", "ceT1"): Protocol((0.8, 0.8, 1.5), (256, 256, 60), "LPS", 900, 0.018),
            ("ldn", "hrT2"): Protocol((0.46, 0.46, 1.0), (448, 448, 80), "LPS", 1000, 0.022),
            ("etz", "hrT2"): Protocol((0.46, 0.46, 1.0), (448, 448, 80), "RAS", 1300, 0.018),
        },
    ),
}
