"""Draws slices of volumes side by side, with outlines of structures.

Slices are axial and shown as radiologists expect them: the front of the head is up, the patient's
right is on the left. Lengths are true to scale whatever the voxels' shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from nibabel.orientations import apply_orientation, axcodes2ornt, io_orientation, ornt_transform
from numpy.typing import NDArray

from cmda_core.files import replacing
from cmda_core.volumes import LabelVolume, Volume

BACKGROUND = "#0b0d10"

PANEL_HEIGHT = 2.6
"""Height of a panel in inches; at ``DOTS_PER_INCH`` that is 286 pixels."""

DOTS_PER_INCH = 110


@dataclass(frozen=True, slots=True, eq=False)
class Axial:
    """A volume as a stack of axial slices.

    Attributes:
        slices: Shape ``(K, J, I)``: to the head, to the back, to the patient's left.
        spacing: Edge lengths in mm along K, J and I.
    """

    slices: NDArray[Any]
    spacing: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of a slice, in mm from its upper left corner."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """The outline of a structure.

    Attributes:
        mask: Boolean, shape ``(J, I)``, on the slice that it is drawn on.
        colour: Of the line.
        width: Of the line, in points.
    """

    mask: NDArray[np.bool_]
    colour: str
    width: float = 1.2


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One slice.

    Attributes:
        slice: Intensities, shape ``(J, I)``.
        spacing: Edge lengths in mm along J and I.
        window: Intensities that are shown black and white.
        title: Above the slice.
        outlines: Drawn in this order.
        region: The part that is shown; all of it if left out.
        frame: A rectangle to draw, such as the region that another panel shows.
    """

    slice: NDArray[Any]
    spacing: tuple[float, float]
    window: tuple[float, float]
    title: str = ""
    outlines: tuple[Outline, ...] = ()
    region: Box | None = None
    frame: Box | None = None

    @property
    def view(self) -> Box:
        """The part that is shown."""
        height, width = np.array(self.slice.shape) * self.spacing
        return self.region or Box(0.0, 0.0, float(width), float(height))


def axial(volume: Volume | LabelVolume) -> Axial:
    """Look at a volume of any orientation as axial slices; voxels are reordered, not resampled."""
    turn = ornt_transform(io_orientation(volume.affine), axcodes2ornt("LPS"))
    voxels = apply_orientation(volume.voxels, turn)
    i, j, k = (volume.spacing[int(axis)] for axis in np.argsort(turn[:, 0]))
    return Axial(voxels.transpose(2, 1, 0), (k, j, i))


def montage(panels: Sequence[Panel]) -> Figure:
    """Panels in one row, all of the same height, as wide as what they show."""
    widths = [_width(panel) for panel in panels]
    top = 0.28 if any(panel.title for panel in panels) else 0.0
    gap = 0.06
    size = sum(widths) + gap * (len(panels) - 1), PANEL_HEIGHT + top
    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, facecolor=BACKGROUND)
    FigureCanvasAgg(figure)
    left = 0.0
    for panel, width in zip(panels, widths, strict=True):
        axes = figure.add_axes((left / size[0], 0.0, width / size[0], PANEL_HEIGHT / size[1]))
        draw_panel(axes, panel)
        left += width + gap
    return figure


def save_png(path: Path, figure: Figure) -> None:
    """Write a figure; the same figure gives the same bytes, as no time or version is stored.

    Raises:
        OutputError: If the file cannot be written.
    """
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None}, facecolor=figure.get_facecolor())


def window_of(intensities: NDArray[Any]) -> tuple[float, float]:
    """Intensities to show black and white: the 1st and the 99.7th percentile."""
    low, high = np.percentile(intensities, (1, 99.7))
    return float(low), float(high) if high > low else float(low) + 1.0


def box_around(
    mask: NDArray[np.bool_], spacing: tuple[float, float], *, margin: float, smallest: float
) -> Box:
    """A rectangle around the voxels of a slice that are set.

    Args:
        mask: Boolean, shape ``(J, I)``; if nothing is set the rectangle is in the middle.
        spacing: Edge lengths in mm along J and I.
        margin: Distance from the voxels to the rectangle in mm.
        smallest: Shortest edge of the rectangle in mm.
    """
    top, bottom = _extent(np.any(mask, axis=1), spacing[0], margin, smallest)
    left, right = _extent(np.any(mask, axis=0), spacing[1], margin, smallest)
    return Box(left, top, right, bottom)


def largest_section(mask: NDArray[np.bool_]) -> int:
    """The slice of a mask of shape ``(K, J, I)`` with the most voxels; the middle one if all are empty."""
    areas = np.count_nonzero(mask, axis=(1, 2))
    return int(areas.argmax()) if areas.any() else len(mask) // 2


def _extent(occupied: NDArray[np.bool_], step: float, margin: float, smallest: float) -> tuple[float, float]:
    indices = np.flatnonzero(occupied)
    length = len(occupied) * step
    first, last = (indices[0], indices[-1] + 1) if indices.size else (len(occupied) / 2, len(occupied) / 2)
    missing = max(0.0, smallest - (last - first) * step - 2 * margin) / 2
    start, end = first * step - margin - missing, last * step + margin + missing
    # Moved rather than cut at the edge of the scan, so that all panels keep their scale.
    shift = max(0.0, -start) - max(0.0, end - length)
    return max(0.0, start + shift), min(length, end + shift)


def _width(panel: Panel) -> float:
    view = panel.view
    return PANEL_HEIGHT * (view.right - view.left) / (view.bottom - view.top)


def draw_panel(axes: Any, panel: Panel, *, fontsize: int = 10) -> None:
    """Draw a panel on axes of matplotlib."""
    rows, columns = panel.slice.shape
    height, width = rows * panel.spacing[0], columns * panel.spacing[1]
    axes.imshow(
        panel.slice,
        cmap="gray",
        vmin=panel.window[0],
        vmax=panel.window[1],
        extent=(0, width, height, 0),
        interpolation="bilinear",
    )
    across = (np.arange(columns) + 0.5) * panel.spacing[1]
    down = (np.arange(rows) + 0.5) * panel.spacing[0]
    for outline in panel.outlines:
        if outline.mask.any():
            axes.contour(
                across, down, outline.mask, levels=[0.5], colors=[outline.colour], linewidths=outline.width
            )
    view = panel.view
    axes.set(xlim=(view.left, view.right), ylim=(view.bottom, view.top), aspect="auto")
    axes.set_axis_off()
    if panel.frame is not None:
        axes.add_patch(_rectangle(panel.frame))
    if panel.title:
        axes.set_title(f" {panel.title}", color="#e8eaed", fontsize=fontsize, pad=4, loc="left")


def _rectangle(box: Box) -> Rectangle:
    size = box.right - box.left, box.bottom - box.top
    return Rectangle((box.left, box.top), *size, fill=False, edgecolor="#e8eaed", linewidth=0.8, alpha=0.7)
