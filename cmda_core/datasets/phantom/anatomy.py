"""A subject: the layers that make up the head, from the skin inwards, and how they are bent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from cmda_core.datasets.phantom import bones, brain, inner_ear, vessels
from cmda_core.datasets.phantom.shapes import Box, Field, Points, Shape, gyroid, smooth_union
from cmda_core.datasets.phantom.tissues import Structure
from cmda_core.datasets.phantom.tumour import Tumour, grow
from cmda_core.volumes.geometry import Matrix

Distance = Callable[[Points], Field]
SIDES = (1, -1)
BEND_MM = 1.2
"""Standard deviation of the smooth deformation's amplitude per wave."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A body that is painted over those before it.

    Attributes:
        structure: What it is.
        distance: Signed distance to its surface in mm.
        box: Bounds in mm.
        soft: Whether the tumour pushes it away.
    """

    structure: Structure
    distance: Distance
    box: Box
    soft: bool = False


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
    from scipy.spatial.transform import Rotation

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
    def distance(points: Points) -> Field:
        return shape.distance(points.mirrored(side))

    return Layer(structure, distance, shape.box.mirrored(side), soft)


def _sided(structure: Structure, distance: Distance, box: Box, side: int) -> Layer:
    return Layer(structure, lambda points: distance(points.mirrored(side)), box.mirrored(side))


def _soft_tissue() -> Iterator[Layer]:
    yield Layer(Structure.SCALP, bones.outline, bones.EVERYWHERE)
    yield Layer(Structure.MUSCLE, _muscle, bones.EVERYWHERE)
    for side in SIDES:
        yield _solid(Structure.ORBIT, bones.ORBIT, side)
        yield _solid(Structure.GLOBE, bones.GLOBE, side)


def _muscle(points: Points) -> Field:
    return np.maximum(bones.outline(points) + 6.5, 1.8 * (gyroid(points, 38.0) - 0.75))


def _skull() -> Iterator[Layer]:
    yield Layer(Structure.SKULL, bones.skull, bones.EVERYWHERE)
    yield Layer(
        Structure.MARROW, lambda points: np.maximum(bones.diploe(points), bones.skull(points)), bones.EVERYWHERE
    )
    yield _solid(Structure.MARROW, bones.CLIVUS)
    yield _solid(Structure.MUCOSA, bones.NASAL_CAVITY)
    yield Layer(Structure.AIRWAY, bones.turbinates, bones.NASAL_CAVITY.box)
    yield _solid(Structure.AIRWAY, bones.NASOPHARYNX)
    for side in SIDES:
        for cavity in (bones.SPHENOID_SINUS, bones.ETHMOID, bones.MAXILLARY_SINUS):
            yield _solid(Structure.MUCOSA, cavity, side)
            yield Layer(Structure.AIRWAY, _inside(cavity, 1.3, side), cavity.box.mirrored(side))


def _inside(shape: Shape, depth: float, side: int) -> Distance:
    return lambda points: shape.distance(points.mirrored(side)) + depth


def _brain(subject: Subject) -> Iterator[Layer]:
    yield Layer(Structure.DURA, bones.intracranial, bones.EVERYWHERE)
    yield Layer(Structure.CISTERNS, lambda points: bones.intracranial(points) + 0.9, bones.EVERYWHERE)
    yield _soft(Structure.CEREBRAL_CORTEX, _within_skull(brain.cerebrum, 1.8), brain.CEREBRUM_BOX)
    yield _soft(
        Structure.CEREBRAL_WHITE_MATTER, _within_skull(brain.cerebral_white_matter, 4.0), brain.CEREBRUM_BOX
    )
    yield _soft(Structure.DURA, _tentorium, brain.CEREBRUM_BOX)
    for side in SIDES:
        yield _solid(Structure.LATERAL_VENTRICLE, brain.TEMPORAL_HORN, side, soft=True)
    yield _soft(Structure.CEREBELLAR_CORTEX, _cerebellum, brain.HINDBRAIN_BOX)
    yield _soft(Structure.CEREBELLAR_WHITE_MATTER, brain.cerebellar_white_matter, brain.HINDBRAIN_BOX)
    for side in SIDES:
        yield _solid(Structure.CEREBELLAR_CORTEX, brain.FLOCCULUS, side, soft=True)
        yield _solid(Structure.CEREBELLAR_WHITE_MATTER, brain.PEDUNCLE, side, soft=True)
    stem = subject.stem
    yield _soft(Structure.PONS, stem.distance, brain.HINDBRAIN_BOX)
    yield _soft(Structure.MEDULLA, _above(stem.distance, -13.0, below=True), brain.HINDBRAIN_BOX)
    yield _soft(Structure.MIDBRAIN, _above(stem.distance, 12.0, below=False), brain.HINDBRAIN_BOX)
    yield _solid(Structure.FOURTH_VENTRICLE, brain.AQUEDUCT, soft=True)
    yield _solid(Structure.FOURTH_VENTRICLE, brain.FOURTH_VENTRICLE, soft=True)
    for side in SIDES:
        yield _solid(Structure.FOURTH_VENTRICLE, brain.RECESS, side, soft=True)
        yield _solid(Structure.CHOROID_PLEXUS, brain.CHOROID, side, soft=True)


def _soft(structure: Structure, distance: Distance, box: Box) -> Layer:
    return Layer(structure, distance, box, soft=True)


def _within_skull(distance: Distance, depth: float) -> Distance:
    return lambda points: np.maximum(distance(points), bones.intracranial(points) + depth)


def _above(distance: Distance, height: float, *, below: bool) -> Distance:
    sign = 1.0 if below else -1.0
    return lambda points: np.maximum(distance(points), sign * (points.z - height))


def _cerebellum(points: Points) -> Field:
    hull = np.maximum(brain.cerebellum(points), bones.intracranial(points) + 2.0)
    petrous = np.minimum(bones.petrous(points), bones.petrous(points.mirrored(-1)))
    solid = np.maximum(hull, 3.5 - petrous)
    # Fissures open to the surface and close 6 mm below it.
    return np.maximum(solid, np.minimum(-brain.cerebellar_fissures(points), hull + 6.0))


def _tentorium(points: Points) -> Field:
    sheet = np.abs(points.z - brain.tentorium(points)) - 0.6
    notch = 17.0 - np.sqrt(points.x**2 + (0.6 * points.y) ** 2)
    return np.maximum(np.maximum(sheet, notch), np.maximum(bones.intracranial(points), points.y + 8.0))


def _ear(side: int) -> Iterator[Layer]:
    yield _sided(Structure.PETROUS_BONE, bones.petrous, bones.PETROUS_BOX, side)
    yield _sided(Structure.MASTOID_AIR, bones.mastoid_cells, bones.PETROUS_BOX, side)
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
    yield _sided(Structure.TUMOUR, _outside_bone(tumour.distance, tumour), tumour.box, side)
    if tumour.cysts:
        yield _sided(Structure.TUMOUR_CYST, tumour.cystic, tumour.box, side)


def _outside_bone(distance: Distance, tumour: Tumour) -> Distance:
    """Growth stops at the petrous bone, but for the canal, which the tumour widens."""

    def limited(points: Points) -> Field:
        room = smooth_union(
            np.minimum(tumour.root.distance(points), inner_ear.CANAL_MOUTH.distance(points)),
            -bones.petrous(points),
            1.0,
        )
        return np.maximum(distance(points), room)

    return limited
