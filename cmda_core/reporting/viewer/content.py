"""What the page of a case shows: images and label maps, all on one grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cmda_core.volumes import LabelVolume, Volume

Role = Literal["test", "source", "target"]
"""A test scan on its own grid, or a prepared training scan of one modality or the other."""


@dataclass(frozen=True, slots=True, eq=False)
class ViewedImage:
    """One image of a case.

    Attributes:
        name: Shown where the image is chosen; such as ``fake hrT2``.
        volume: On the grid of the view.
        window: Intensities that are shown black and white.
    """

    name: str
    volume: Volume
    window: tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class ViewedLabels:
    """One segmentation of a case.

    Attributes:
        name: ``reference``, or the name of the entry.
        colour: As ``#rrggbb``.
        labels: On the grid of the view.
        seed: Of the entry's training, where there are several.
        reference: Whether these are the expert's; an entry may have any name.
    """

    name: str
    colour: str
    labels: LabelVolume
    seed: int | None = None
    reference: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ScanView:
    """A case as its page shows it.

    Attributes:
        case: Identifier of the case.
        role: What the case is for.
        images: At least one; the first is the scan itself.
        labels: The reference comes first, if there is one.
        structures: Label value of each structure.
        notes: What is to be said about what is not there, one sentence each.
    """

    case: str
    role: Role
    images: tuple[ViewedImage, ...]
    labels: tuple[ViewedLabels, ...]
    structures: Mapping[str, int]
    notes: tuple[str, ...] = ()
