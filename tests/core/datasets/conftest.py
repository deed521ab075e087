from __future__ import annotations

from dataclasses import replace

import pytest

from cmda_core.datasets.phantom.acquisition import Protocol
from cmda_core.datasets.phantom.presets import PRESETS, Preset


@pytest.fixture(scope="session")
def coarse() -> Preset:
    """Phantoms that take a fraction of a second."""
    protocols = {
        (centre, modality): Protocol((1.8, 1.8, 2.0), (100, 100, 30), orientation, 1000, 0.02)
        for centre, orientation in (("ldn", "LPS"), ("etz", "RAS"))
        for modality in ("ceT1", "hrT2")
    }
    return replace(PRESETS["demo"], operated=0.25, protocols=protocols)
