"""Head outline, skull base, petrous bones and the air-filled spaces."""

from __future__ import annotations

from functools import reduce

import numpy as np

from cmda_core.datasets.phantom.shapes import Box, Ellipsoid, Field, Points, Tube, gyroid, smooth_union

POSTERIOR_FOSSA = Ellipsoid((0.0, -24.0, -2.0), (52.0, 42.0, 38.0))
PREPONTINE = Ellipsoid((0.0, 4.0, -2.0), (22.0, 15.0, 30.0))
MIDDLE_FOSSA = Ellipsoid((43.0, 18.0, 12.0), (22.5, 35.0, 22.0))
VAULT = Ellipsoid((0.0, -6.0, 38.0), (66.5, 84.0, 62.0))
SPINAL_CANAL = Tube(((0.0, -5.0, -28.0), (0.0, -11.0, -75.0)), (14.0, 10.0))
PETROUS = Tube(((15.0, 17.0, -3.0), (36.0, 4.0, -2.0), (54.0, -13.0, -7.0)), (5.0, 9.0, 12.5))
MASTOID = Ellipsoid((54.0, -19.0, -16.0), (11.0, 15.0, 20.0))
ANTRUM = Ellipsoid((49.0, -9.0, -2.0), (7.0, 8.0, 8.0))
TYMPANUM = Ellipsoid((45.0, 4.0, -2.0), (2.2, 4.0, 5.0))
EAR_CANAL = Tube(((48.0, 3.0, -4.0), (85.0, 0.0, -6.0)), (3.2, 3.6))
CLIVUS = Tube(((0.0, 30.0, 10.0), (0.0, 22.0, -24.0)), (9.0, 7.0))
SPHENOID_SINUS = Ellipsoid((7.0, 42.0, 6.0), (7.0, 11.0, 9.0))
ETHMOID = Ellipsoid((7.0, 64.0, 10.0), (7.5, 20.0, 14.0))
MAXILLARY_SINUS = Ellipsoid((26.0, 64.0, -20.0), (13.0, 16.0, 16.0))
NASAL_CAVITY = Ellipsoid((0.0, 66.0, -20.0), (13.0, 26.0, 19.0))
NASOPHARYNX = Ellipsoid((0.0, 36.0, -26.0), (11.0, 10.0, 15.0))
ORBIT = Ellipsoid((31.0, 64.0, 14.0), (17.0, 24.0, 16.0))
GLOBE = Ellipsoid((33.0, 74.0, 14.0), (12.0, 12.0, 12.0))
HEAD = Ellipsoid((0.0, -4.0, 22.0), (79.0, 98.0, 88.0))
FACE = Ellipsoid((0.0, 42.0, -24.0), (60.0, 50.0, 62.0))
NECK = Ellipsoid((0.0, -18.0, -70.0), (66.0, 62.0, 62.0))


def intracranial(points: Points) -> Field:
    """Signed distance to the inner table of the skull."""
    fossae = smooth_union(POSTERIOR_FOSSA.distance(points), PREPONTINE.distance(points), 5.0)
    fossae = np.minimum(fossae, SPINAL_CANAL.distance(points))
    vault = np.maximum(VAULT.distance(points), 8.0 - points.z)
    sides = np.minimum(MIDDLE_FOSSA.distance(points), MIDDLE_FOSSA.distance(points.mirrored(-1)))
    return reduce(np.minimum, (smooth_union(fossae, vault, 4.0), sides))


def outline(points: Points) -> Field:
    """Signed distance to the skin."""
    head = smooth_union(HEAD.distance(points), FACE.distance(points), 12.0)
    return smooth_union(head, NECK.distance(points), 12.0)


def petrous(points: Points) -> Field:
    """Signed distance to the petrous pyramid with the mastoid of the right side."""
    return smooth_union(PETROUS.distance(points), MASTOID.distance(points), 4.0)


def mastoid_cells(points: Points) -> Field:
    """Signed distance to the air cells of the right side, a foam of about 5 mm."""
    room = smooth_union(MASTOID.distance(points), ANTRUM.distance(points), 4)
    return np.maximum(room + 2.5, 1.1 * (0.15 - np.abs(gyroid(points, 9.0))) + 0.25)


def turbinates(points: Points) -> Field:
    """Signed distance to the air of the nasal cavity between septum and turbinates."""
    folds = np.cos(0.9 * np.abs(points.x) - 2.2) * np.cos(0.32 * points.z + 0.6)
    return np.maximum(NASAL_CAVITY.distance(points) + 1.5, 2.0 * folds - 0.1)


EVERYWHERE = Box((-200, -200, -200), (200, 200, 200))
PETROUS_BOX = Box((6, -42, -40), (76, 28, 18))
