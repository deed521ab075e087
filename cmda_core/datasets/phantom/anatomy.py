"""A subject: the layers that make up the head, from the skin inwards, and how they are bent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from cmda_core.datasets.phantom import bones, brain, inner_ear, vessels
from cmda_core.datasets.phantom.shapes import Box, Field, Points, Shape, gyroid, smooth_union
from cmda_core.datasets.phantom.tissues import Structure
from cmda_core.datasets.phantom.tumour import Tumour, grow
from cmda_core.volumes.geometry import Matrix

Distance = Callable[[Points], Field]
Shells = tuple[tuple[Structure, float], ...]
SIDES = (1, -1)
BEND_MM = 1.2
"""Standard deviation of the smooth deformation's amplitude per wave."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A body that is painted over those before it.

    Attributes:
        shells: What it is made of, from the outside in, and how far in mm inside of the surface
            each shell begins.
        distance: Signed distance to its surface in mm.
        box: Bounds in mm.
        soft: Whether the tumour pushes it away.
        within: Painted only over these; over everything if empty.
    """

    shells: Shells
    distance: Distance
    box: Box
    soft: bool = False
    within: tuple[Structure, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """One head with one tumour.

    Attributes:
        stem: The brainstem before the tumour grew.
        tumour: The tumour, of the right side.
        side: 1 if the tumour is on the right, -1 on the left.
        pose: Scanner RAS mm to head mm, ``(4, 4)``.
        waves: Wave vectors of the deformation in 1/mm, ``(3, n, 3)``.
        phases: Their phases, ``(3, n)``.
        amplitudes: Their amplitudes in mm, ``(3, n)``.
    """

    stem: brain.Brainstem
    tumour: Tumour
    side: int
    pose: Matrix
    waves: Matrix
    phases: Matrix
    amplitudes: Matrix

    def bend(self, points: Points) -> Points:
        """Apply the smooth deformation of this subject to head coordinates in mm."""
        moved = []
        for start, waves, phases, amplitudes in zip(
            (points.x, points.y, points.z), self.waves, self.phases, self.amplitudes, strict=True
        ):
            total = start
            for (kx, ky, kz), phase, amplitude in zip(
                waves.tolist(), phases.tolist(), amplitudes.tolist(), strict=True
            ):
                total = total + amplitude * np.sin(kx * points.x + ky * points.y + kz * points.z + phase)
            moved.append(total)
        return Points(*moved)

    def at_rest(self, points: Points) -> Points:
        """Where soft tissue was before the tumour pushed it."""
        return self.tumour.at_rest(points.mirrored(self.side)).mirrored(self.side)


def draw_subject(grade: int, random: np.random.Generator) -> Subject:
    """Draw a subject with a tumour of a Koos grade from 1 to 4."""
    stem = brain.Brainstem(breadth=float(random.uniform(0.94, 1.04)))
    wavelengths = random.uniform(90, 180, (3, 3, 1))
    directions = random.normal(size=(3, 3, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return Subject(
        stem=stem,
        tumour=grow(grade, stem, random),
        side=int(random.choice(SIDES)),
        pose=_pose(random),
        waves=2 * np.pi * directions / wavelengths,
        phases=random.uniform(0, 2 * np.pi, (3, 3)),
        amplitudes=random.normal(0, BEND_MM, (3, 3)).clip(-2 * BEND_MM, 2 * BEND_MM),
    )


def _pose(random: np.random.Generator) -> Matrix:
    turn = Rotation.from_euler("xyz", random.uniform(-8, 8, 3) * (1, 0.7, 1), degrees=True)
    size = random.uniform(0.95, 1.05) * random.uniform(0.98, 1.02, 3)
    pose = np.eye(4)
    pose[:3, :3] = np.diag(1 / size) @ turn.as_matrix()
    pose[:3, 3] = -pose[:3, :3] @ (random.uniform(-12, 12, 3) * (1, 1, 0.5))
    return pose


def layers(subject: Subject) -> Iterator[Layer]:
    """Every body of a head, in the order of painting."""
    yield from _soft_tissue()
    yield from _skull()
    yield from _brain(subject)
    for side in SIDES:
        yield from _ear(side)
    yield from _vessels()
    yield from _tumour(subject)


def _solid(structure: Structure, shape: Shape, side: int = 1, *, soft: bool = False) -> Layer:
    return _sided(((structure, 0.0),), shape.distance, shape.box, side, soft=soft)


def _sided(shells: Shells, distance: Distance, box: Box, side: int, *, soft: bool = False) -> Layer:
    return Layer(shells, lambda points: distance(points.mirrored(side)), box.mirrored(side), soft)


def _soft_tissue() -> Iterator[Layer]:
    shells = ((Structure.SCALP, 0.0), (Structure.MUSCLE, 6.5))
    yield Layer(shells, bones.outline, bones.EVERYWHERE)
    yield Layer(((Structure.SCALP, 0.0),), _fat_pads, bones.EVERYWHERE, within=(Structure.MUSCLE,))
    for side in SIDES:
        yield _solid(Structure.ORBIT, bones.ORBIT, side)
        yield _solid(Structure.GLOBE, bones.GLOBE, side)


def _fat_pads(points: Points) -> Field:
    return 1.8 * (0.75 - gyroid(points, 38.0))


def _skull() -> Iterator[Layer]:
    yield _solid(Structure.MARROW, bones.CLIVUS)
    yield _solid(Structure.MUCOSA, bones.NASAL_CAVITY)
    yield Layer(((Structure.AIRWAY, 0.0),), bones.turbinates, bones.NASAL_CAVITY.box)
    yield _solid(Structure.AIRWAY, bones.NASOPHARYNX)
    lined = ((Structure.MUCOSA, 0.0), (Structure.AIRWAY, 1.3))
    for side in SIDES:
        for cavity in (bones.SPHENOID_SINUS, bones.ETHMOID, bones.MAXILLARY_SINUS):
            yield _sided(lined, cavity.distance, cavity.box, side)
    tables = ((Structure.SKULL, -6.0), (Structure.MARROW, -4.2), (Structure.SKULL, -1.8))
    lining = ((Structure.DURA, 0.0), (Structure.CISTERNS, 0.9))
    yield Layer(tables + lining, bones.intracranial, bones.EVERYWHERE)


def _brain(subject: Subject) -> Iterator[Layer]:
    cerebrum = ((Structure.CEREBRAL_CORTEX, 0.0), (Structure.CEREBRAL_WHITE_MATTER, 3.6))
    yield _in_skull(cerebrum, brain.cerebrum, brain.CEREBRUM_BOX)
    yield _in_skull(((Structure.DURA, 0.0),), brain.tentorial_sheet, brain.CEREBRUM_BOX)
    for side in SIDES:
        yield _solid(Structure.LATERAL_VENTRICLE, brain.TEMPORAL_HORN, side, soft=True)
    yield _in_skull(((Structure.CEREBELLAR_CORTEX, 0.0),), brain.folia, brain.HINDBRAIN_BOX)
    yield Layer(
        ((Structure.CEREBELLAR_WHITE_MATTER, 0.0),),
        brain.cerebellar_white_matter,
        brain.HINDBRAIN_BOX,
        soft=True,
        within=(Structure.CEREBELLAR_CORTEX,),
    )
    for side in SIDES:
        yield _solid(Structure.CEREBELLAR_CORTEX, brain.FLOCCULUS, side, soft=True)
        yield _solid(Structure.CEREBELLAR_WHITE_MATTER, brain.PEDUNCLE, side, soft=True)
    yield from _brainstem(subject.stem)
    yield _solid(Structure.FOURTH_VENTRICLE, brain.AQUEDUCT, soft=True)
    yield _solid(Structure.FOURTH_VENTRICLE, brain.FOURTH_VENTRICLE, soft=True)
    for side in SIDES:
        yield _solid(Structure.FOURTH_VENTRICLE, brain.RECESS, side, soft=True)
        yield _solid(Structure.CHOROID_PLEXUS, brain.CHOROID, side, soft=True)


def _in_skull(shells: Shells, distance: Distance, box: Box) -> Layer:
    return Layer(shells, distance, box, soft=True, within=(Structure.CISTERNS,))


def _brainstem(stem: brain.Brainstem) -> Iterator[Layer]:
    yield Layer(((Structure.PONS, 0.0),), stem.distance, brain.STEM_BOX, soft=True)
    for structure, distance in (
        (Structure.MEDULLA, lambda points: points.z + 13.0),
        (Structure.MIDBRAIN, lambda points: 12.0 - points.z),
    ):
        yield Layer(((structure, 0.0),), distance, brain.STEM_BOX, soft=True, within=(Structure.PONS,))


def _ear(side: int) -> Iterator[Layer]:
    film = _sided(((Structure.CISTERNS, -2.0),), bones.petrous, bones.PETROUS_BOX, side)
    yield replace(film, within=(Structure.CEREBELLAR_CORTEX, Structure.CEREBELLAR_WHITE_MATTER))
    yield _sided(((Structure.PETROUS_BONE, 0.0),), bones.petrous, bones.PETROUS_BOX, side)
    yield _sided(((Structure.MASTOID_AIR, 0.0),), bones.mastoid_cells, bones.PETROUS_BOX, side)
    yield _solid(Structure.MASTOID_AIR, bones.TYMPANUM, side)
    yield _solid(Structure.MASTOID_AIR, bones.EAR_CANAL, side)
    yield _solid(Structure.CANAL, inner_ear.CANAL_MOUTH, side)
    yield _solid(Structure.CANAL, inner_ear.CANAL, side)
    for nerve in inner_ear.NERVES:
        yield _solid(Structure.NERVE, nerve, side)
    yield _solid(Structure.LABYRINTH, inner_ear.VESTIBULE, side)
    for ring in inner_ear.semicircular_canals():
        yield _solid(Structure.LABYRINTH, ring, side)
    yield _solid(Structure.COCHLEA, inner_ear.cochlea(), side)
    yield _solid(Structure.COCHLEAR_FLUID, inner_ear.cochlear_duct(), side)


def _vessels() -> Iterator[Layer]:
    yield _solid(Structure.VESSEL, vessels.BASILAR, soft=True)
    yield _solid(Structure.VESSEL, vessels.SAGITTAL)
    for side in SIDES:
        yield _solid(Structure.VESSEL, vessels.VERTEBRAL, side, soft=True)
        yield _solid(Structure.VESSEL, vessels.ANTERIOR_INFERIOR_CEREBELLAR, side, soft=True)
        for vessel in (vessels.CAROTID, vessels.SIGMOID, vessels.JUGULAR):
            yield _solid(Structure.VESSEL, vessel, side)


def _tumour(subject: Subject) -> Iterator[Layer]:
    tumour, side = subject.tumour, subject.side
    yield _sided(((Structure.TUMOUR, 0.0),), _outside_bone(tumour), tumour.box, side)
    if tumour.cysts:
        yield _sided(((Structure.TUMOUR_CYST, 0.0),), tumour.cystic, tumour.box, side)


def _outside_bone(tumour: Tumour) -> Distance:
    """Growth stops at the petrous bone, but for the canal, which the tumour widens."""

    def limited(points: Points) -> Field:
        room = smooth_union(
            np.minimum(tumour.root.distance(points), inner_ear.CANAL_MOUTH.distance(points)),
            -bones.petrous(points),
            1.0,
        )
        return np.maximum(tumour.distance(points), room)

    return limited
