"""Draws contact sheets: many slices in rows, each as large as its neighbours."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cmda_core.reporting.figures import BACKGROUND, DOTS_PER_INCH, Box, Panel, draw_panel

COLUMNS = 6
TILE = 2.2
"""Edge of a tile in inches; at ``DOTS_PER_INCH`` that is 242 pixels."""

TITLE = 0.24
GAP = 0.06


def contact_sheet(panels: Sequence[Panel]) -> Figure:
    """Panels in rows of six, all true to one scale within their tile; titles above."""
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    size = columns * (TILE + GAP) - GAP, rows * (TILE + TITLE + GAP) - GAP
    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, facecolor=BACKGROUND)
    FigureCanvasAgg(figure)
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        width, height = _fitted(panel.view)
        left = column * (TILE + GAP) + (TILE - width) / 2
        bottom = size[1] - row * (TILE + TITLE + GAP) - TITLE - (TILE + height) / 2
        place = (left / size[0], bottom / size[1], width / size[0], height / size[1])
        draw_panel(figure.add_axes(place), panel, fontsize=7)
    return figure


def _fitted(view: Box) -> tuple[float, float]:
    """Width and height in inches of the largest picture of a view that fits into a tile."""
    width, height = view.right - view.left, view.bottom - view.top
    scale = TILE / max(width, height)
    return width * scale, height * scale
