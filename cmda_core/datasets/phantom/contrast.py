"""How bright a tissue is in each of the two sequences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from cmda_core.datasets.phantom.tissues import Tissue

Modality = Literal["ceT1", "hrT2"]

R1_PER_MMOL = 4.1
R2_PER_MMOL = 4.6
"""Relaxivities of gadopentetate in plasma at 1.5 T in l/(mmol s): Rohrer et al., Invest Radiol 40:715
(2005)."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """Timing of a gradient-echo sequence.

    Attributes:
        repetition: Repetition time in ms.
        echo: Echo time in ms.
        flip: Flip angle in degrees.
        balanced: Balanced steady state (bSSFP, CISS) instead of a spoiled one.
        contrast_agent: Whether gadolinium was given.
    """

    repetition: float
    echo: float
    flip: float
    balanced: bool
    contrast_agent: bool


SEQUENCES: dict[Modality, Sequence] = {
    "ceT1": Sequence(repetition=20, echo=2.0, flip=25, balanced=False, contrast_agent=True),
    "hrT2": Sequence(repetition=9.4, echo=4.2, flip=60, balanced=True, contrast_agent=False),
}


def signal(tissue: Tissue, sequence: Sequence) -> float:
    """Steady-state signal of a tissue, relative to the equilibrium magnetisation of water.

    Spoiled: Ernst and Anderson, Rev Sci Instrum 37:93 (1966). Balanced: Freeman and Hill, J Magn
    Reson 4:366 (1971), on resonance.
    """
    dose = tissue.uptake if sequence.contrast_agent else 0.0
    r1 = 1 / tissue.t1 + R1_PER_MMOL * dose / 1000
    r2 = 1 / tissue.t2 + R2_PER_MMOL * dose / 1000
    flip = math.radians(sequence.flip)
    e1, e2 = math.exp(-sequence.repetition * r1), math.exp(-sequence.repetition * r2)
    excited = tissue.density * math.sin(flip) * math.exp(-sequence.echo * r2) * (1 - e1)
    if not sequence.balanced:
        return excited / (1 - math.cos(flip) * e1)
    return tissue.flow * excited / (1 - (e1 - e2) * math.cos(flip) - e1 * e2)
