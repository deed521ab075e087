"""Pictures of segmentations on the scans' own grids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cmda_core.reporting.colours import REFERENCE_COLOUR
from cmda_core.reporting.figures import (
    Axial,
    Outline,
    Panel,
    axial,
    box_around,
    largest_section,
    montage,
    window_of,
)
from cmda_core.volumes import LabelVolume, Volume

MARGIN = 9.0
"""Distance from a structure to the edge of its panel, in mm."""

SMALLEST = 44.0
"""Shortest edge of a panel, in mm; a cochlea measures about 9 mm."""


@dataclass(frozen=True, slots=True, eq=False)
class SegmentedScan:
    """A scan and what was found in it, all on one grid.

    Attributes:
        image: The scan as it was acquired.
        predictions: Labels of each entry.
        reference: The expert's labels, if there are any.
    """

    image: Volume
    predictions: Mapping[str, LabelVolume]
    reference: LabelVolume | None = None


def segmentation_montage(
    scan: SegmentedScan, structures: Mapping[str, int], colours: Mapping[str, str]
) -> Figure:
    """The whole slice through the first structure, then each structure from near.

    The slice of a structure is the one where the reference is largest, or without a reference what
    the entries found.

    Args:
        scan: Scan, predictions and reference on one grid.
        structures: Label value of each structure.
        colours: Of the outlines of each entry.
    """
    stack = axial(scan.image)
    drawn = {entry: axial(labels).slices for entry, labels in scan.predictions.items()}
    reference = axial(scan.reference).slices if scan.reference is not None else None
    guide = _guide(reference, list(drawn.values()), stack.slices.shape)
    closeups = [
        _closeup(stack, drawn, reference, guide == label, name, colours) for name, label in structures.items()
    ]
    tumour = closeups[0]
    overview = Panel(tumour.slice, tumour.spacing, tumour.window, scan.image.modality, frame=tumour.region)
    return montage([overview, *closeups])


def _closeup(
    stack: Axial,
    drawn: Mapping[str, NDArray[np.uint8]],
    reference: NDArray[np.uint8] | None,
    guide: NDArray[np.bool_],
    structure: str,
    colours: Mapping[str, str],
) -> Panel:
    index = largest_section(guide)
    spacing = stack.spacing[1], stack.spacing[2]
    outlines = [] if reference is None else _outlines(reference[index], REFERENCE_COLOUR, width=2.4)
    for entry, labels in drawn.items():
        outlines += _outlines(labels[index], colours[entry], width=1.2)
    return Panel(
        stack.slices[index],
        spacing,
        window_of(stack.slices[index]),
        structure,
        tuple(outlines),
        region=box_around(guide[index], spacing, margin=MARGIN, smallest=SMALLEST),
    )


def _outlines(labels: NDArray[np.uint8], colour: str, width: float) -> list[Outline]:
    return [Outline(labels == label, colour, width) for label in np.unique(labels[labels > 0])]


def _guide(
    reference: NDArray[np.uint8] | None, predictions: Sequence[NDArray[np.uint8]], shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Labels that tell where to look."""
    if reference is not None:
        return reference
    return np.maximum.reduce([np.zeros(shape, np.uint8), *predictions])
