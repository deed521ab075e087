"""Size, shape and place of the tumour, as numbers with units."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from cmda_core.schema import Task
from cmda_core.volumes import LabelVolume
from cmda_core.volumes.geometry import to_mm
from cmda_volumetrics.frame import HeadFrame, find_frame

_CONNECTIVITY = np.ones((3, 3, 3), dtype=bool)
_NAN = float("nan")
_FEW_POINTS = 8


@dataclass(frozen=True, slots=True)
class TumourFeatures:
    """What a mask tells about a tumour. NaN: not known, because a structure is missing.

    "Medial", "lateral" and the midplane are those of the frame between the two cochleae.

    Attributes:
        equivalent_diameter_mm: Diameter of the ball of the same volume; 0 without a tumour.
        volume_cm3: 0 without a tumour.
        diameter_mm: Largest distance between two voxel centres of the surface (Feret).
        lateral_extent_mm: Size along the line between the cochleae, between outer voxel centres.
        anterior_extent_mm: Size from back to front.
        vertical_extent_mm: Size from bottom to top.
        sphericity: Surface of the ball of the same volume over the tumour's as ITK estimates it
            (Crofton's formula, which rounds sharp edges off); 1 for a ball.
        components: Number of 26-connected parts.
        main_share: Share of the largest part in the volume, 0 to 1.
        midplane_mm: From the midplane to the most medial tumour voxel, negative beyond it.
        midpoint_mm: Shortest distance from the tumour to the point midway between the cochleae.
        reach_mm: How far the tumour extends medially from the centre of the cochlea of its side.
        extrameatal_length_mm: How far it extends beyond the porus; 0 if it does not.
        extrameatal_cm3: Volume beyond the porus.
        posterior_reach_mm: How far it extends behind the line between the cochleae.
    """

    equivalent_diameter_mm: float
    volume_cm3: float
    diameter_mm: float
    lateral_extent_mm: float
    anterior_extent_mm: float
    vertical_extent_mm: float
    sphericity: float
    components: float
    main_share: float
    midplane_mm: float
    midpoint_mm: float
    reach_mm: float
    extrameatal_length_mm: float
    extrameatal_cm3: float
    posterior_reach_mm: float

    def vector(self) -> NDArray[np.float64]:
        """The values in the order of the attributes."""
        return np.array(astuple(self), dtype=np.float64)


FEATURE_NAMES = tuple(field.name for field in fields(TumourFeatures))


def measure(labels: LabelVolume, task: Task, canal_mm: float) -> TumourFeatures:
    """Measure the tumour of a label map.

    Args:
        labels: On any grid: anisotropic and oblique ones are measured in mm.
        task: Tells the tumour's label, and that of the cochleae if there is a structure ``cochlea``.
        canal_mm: From the centre of a cochlea to the porus.
    """
    tumour = labels.voxels == task.tumour_label
    if not tumour.any():
        return _no_tumour()
    frame = find_frame(labels, task.structures.get("cochlea"))
    points_mm = to_mm(labels.affine, np.argwhere(tumour).astype(np.float64))
    voxel_cm3 = abs(float(np.linalg.det(labels.affine[:3, :3]))) / 1000
    return TumourFeatures(
        **_shape(tumour, labels.spacing), **_parts(tumour), **_place(points_mm, frame, canal_mm, voxel_cm3)
    )


def _no_tumour() -> TumourFeatures:
    nothing = dict.fromkeys(FEATURE_NAMES, 0.0)
    unknown = dict.fromkeys(
        ("sphericity", "main_share", "midplane_mm", "midpoint_mm", "posterior_reach_mm"), _NAN
    )
    return TumourFeatures(**nothing | unknown)


def _shape(tumour: NDArray[np.bool_], spacing: tuple[float, float, float]) -> dict[str, float]:
    import SimpleITK

    # A margin, because ITK's estimate of the surface leaves out faces at the edge of the array.
    region = np.pad(tumour[ndimage.find_objects(tumour.astype(np.uint8))[0]], 1)
    image = SimpleITK.GetImageFromArray(region.astype(np.uint8).transpose(2, 1, 0))
    image.SetSpacing(spacing)
    statistics = SimpleITK.LabelShapeStatisticsImageFilter()
    statistics.Execute(image)
    return {
        "volume_cm3": statistics.GetPhysicalSize(1) / 1000,
        "equivalent_diameter_mm": 2 * statistics.GetEquivalentSphericalRadius(1),
        "diameter_mm": largest_distance(np.argwhere(region) * np.array(spacing)),
        "sphericity": statistics.GetRoundness(1),
    }


def largest_distance(points_mm: NDArray[np.float64]) -> float:
    """Largest distance between two points of shape ``(n, 3)``, in mm.

    Only corners of the convex hull are compared: ITK's Feret diameter compares all voxels of the
    surface, which takes minutes for a mask of a network that has not learnt anything yet.
    """
    if len(points_mm) > _FEW_POINTS:
        # Joggled, so that flat and straight masks have a hull as well.
        points_mm = points_mm[ConvexHull(points_mm, qhull_options="QJ").vertices]
    return float(pdist(points_mm).max(initial=0.0))


def _parts(tumour: NDArray[np.bool_]) -> dict[str, float]:
    components, count = ndimage.label(tumour, structure=_CONNECTIVITY)
    sizes = np.bincount(components.ravel())[1:]
    return {"components": float(count), "main_share": float(sizes.max() / sizes.sum())}


def _place(
    points_mm: NDArray[np.float64], frame: HeadFrame, canal_mm: float, voxel_cm3: float
) -> dict[str, float]:
    points = frame.coordinates(points_mm)
    side = 1.0 if points[:, 0].mean() >= 0 else -1.0
    lateral = side * points[:, 0]
    sizes = np.ptp(points, axis=0)
    features = {
        "lateral_extent_mm": float(sizes[0]),
        "anterior_extent_mm": float(sizes[1]),
        "vertical_extent_mm": float(sizes[2]),
        "midplane_mm": float(lateral.min()),
        "midpoint_mm": float(np.linalg.norm(points, axis=1).min()),
        "posterior_reach_mm": float(-points[:, 1].min()),
    }
    return features | _reach(lateral, _cochlea_of_side(frame, side), canal_mm, voxel_cm3)


def _cochlea_of_side(frame: HeadFrame, side: float) -> float | None:
    """How far lateral the cochlea of a side lies, in mm; by symmetry from the other one if need be."""
    lateral = frame.coordinates(frame.cochleae)[:, 0]
    if not len(lateral):
        return None
    own = lateral[np.sign(lateral) == side]
    return float(abs(own[0] if len(own) else lateral[0]))


def _reach(
    lateral: NDArray[np.float64], cochlea: float | None, canal_mm: float, voxel_cm3: float
) -> dict[str, float]:
    if cochlea is None:
        return {"reach_mm": _NAN, "extrameatal_length_mm": _NAN, "extrameatal_cm3": _NAN}
    reach = cochlea - lateral
    return {
        "reach_mm": float(reach.max()),
        "extrameatal_length_mm": max(0.0, float(reach.max()) - canal_mm),
        "extrameatal_cm3": float(np.count_nonzero(reach > canal_mm) * voxel_cm3),
    }
