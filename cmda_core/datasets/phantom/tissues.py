"""Relaxation times and proton densities at 1.5 T, and which tissue every structure is made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


@dataclass(frozen=True, slots=True)
class Tissue:
    """What makes a tissue bright or dark.

    Attributes:
        t1: Longitudinal relaxation time in ms, without contrast agent.
        t2: Transverse relaxation time in ms, without contrast agent.
        density: Proton density relative to water.
        uptake: Gadolinium in mmol/l some minutes after injection.
        flow: Share of the signal that moving spins keep in a balanced sequence.
    """

    t1: float
    t2: float
    density: float
    uptake: float = 0.0
    flow: float = 1.0


# Sources, at 1.5 T:
# [K] Kwan et al., IEEE Trans Med Imaging 18:1085 (1999), BrainWeb: white and grey matter.
# [S] Stanisz et al., Magn Reson Med 54:507 (2005): muscle, blood.
# [B] de Bazelaire et al., Radiology 230:652 (2004): fat, marrow.
# [R] Reichert et al., Magn Reson Imaging 23:611 (2005): cortical bone.
# [V] values chosen for this phantom inside the range of the tissues above; no measurement is claimed.
AIR = Tissue(1000, 1, 0.0)
WATER = Tissue(4000, 2000, 1.0)  # [V] CSF, perilymph, vitreous body
WHITE_MATTER = Tissue(500, 70, 0.77)  # [K]
GREY_MATTER = Tissue(833, 83, 0.86)  # [K]
MUSCLE = Tissue(1008, 44, 0.75, uptake=0.06)  # [S], density and uptake [V]
FAT = Tissue(343, 58, 0.90)  # [B], density [V]
MARROW = Tissue(549, 49, 0.65, uptake=0.03)  # [B], density and uptake [V]
CORTICAL_BONE = Tissue(200, 0.5, 0.20)  # [R]
BLOOD = Tissue(1441, 290, 0.85, uptake=0.7, flow=0.25)  # [S], the rest [V]
MUCOSA = Tissue(1000, 120, 0.85, uptake=0.5)  # [V]
DURA = Tissue(900, 40, 0.50, uptake=0.35)  # [V]
CHOROID = Tissue(1300, 140, 0.85, uptake=0.7)  # [V]
TUMOUR = Tissue(1250, 125, 0.88, uptake=0.75)  # [V]
CYST = Tissue(2600, 500, 0.95, uptake=0.03)  # [V] proteinaceous fluid


class Structure(IntEnum):
    """What a place belongs to; the number is its label in the parcellation."""

    OUTSIDE = 0
    SCALP = 1
    MUSCLE = 2
    SKULL = 3
    MARROW = 4
    AIRWAY = 5
    MUCOSA = 6
    ORBIT = 7
    GLOBE = 8
    DURA = 9
    CISTERNS = 10
    CEREBRAL_CORTEX = 11
    CEREBRAL_WHITE_MATTER = 12
    MIDBRAIN = 13
    PONS = 14
    MEDULLA = 15
    CEREBELLAR_CORTEX = 16
    CEREBELLAR_WHITE_MATTER = 17
    FOURTH_VENTRICLE = 18
    CHOROID_PLEXUS = 19
    PETROUS_BONE = 20
    MASTOID_AIR = 21
    CANAL = 22
    NERVE = 23
    LABYRINTH = 24
    COCHLEA = 25
    COCHLEAR_FLUID = 26
    VESSEL = 27
    LATERAL_VENTRICLE = 28
    TUMOUR = 29
    TUMOUR_CYST = 30


TISSUES: dict[Structure, Tissue] = {
    Structure.OUTSIDE: AIR,
    Structure.SCALP: FAT,
    Structure.MUSCLE: MUSCLE,
    Structure.SKULL: CORTICAL_BONE,
    Structure.MARROW: MARROW,
    Structure.AIRWAY: AIR,
    Structure.MUCOSA: MUCOSA,
    Structure.ORBIT: FAT,
    Structure.GLOBE: WATER,
    Structure.DURA: DURA,
    Structure.CISTERNS: WATER,
    Structure.CEREBRAL_CORTEX: GREY_MATTER,
    Structure.CEREBRAL_WHITE_MATTER: WHITE_MATTER,
    Structure.MIDBRAIN: WHITE_MATTER,
    Structure.PONS: WHITE_MATTER,
    Structure.MEDULLA: WHITE_MATTER,
    Structure.CEREBELLAR_CORTEX: GREY_MATTER,
    Structure.CEREBELLAR_WHITE_MATTER: WHITE_MATTER,
    Structure.FOURTH_VENTRICLE: WATER,
    Structure.CHOROID_PLEXUS: CHOROID,
    Structure.PETROUS_BONE: CORTICAL_BONE,
    Structure.MASTOID_AIR: AIR,
    Structure.CANAL: WATER,
    Structure.NERVE: WHITE_MATTER,
    Structure.LABYRINTH: WATER,
    Structure.COCHLEA: CORTICAL_BONE,
    Structure.COCHLEAR_FLUID: WATER,
    Structure.VESSEL: BLOOD,
    Structure.LATERAL_VENTRICLE: WATER,
    Structure.TUMOUR: TUMOUR,
    Structure.TUMOUR_CYST: CYST,
}

BRAINSTEM = (Structure.MIDBRAIN, Structure.PONS, Structure.MEDULLA)
