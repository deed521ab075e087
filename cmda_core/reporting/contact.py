"""Draws contact sheets: many slices in rows, each as large as its neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cmda_core.reporting.figures import BACKGROUND, DOTS_PER_INCH, Box, Panel, draw_panel

COLUMNS = 6
NARROWEST = 3
"""Columns that the line below needs."""

TILE = 2.2
"""Edge of a tile in inches; at ``DOTS_PER_INCH`` that is 242 pixels."""

TITLE = 0.24
GAP = 0.06
LEGEND = 0.26


def contact_sheet(panels: Sequence[Panel], colours: Mapping[str, str]) -> Figure:
    """Panels in rows of six, each as large as its tile allows; titles above.

    Args:
        panels: What is shown.
        colours: Colour of each structure's outline, for the line below.
    """
    columns = max(NARROWEST, min(COLUMNS, len(panels)))
    rows = -(-len(panels) // columns)
    size = columns * (TILE + GAP) - GAP, rows * (TILE + TITLE + GAP) - GAP + LEGEND
    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, facecolor=BACKGROUND)
    FigureCanvasAgg(figure)
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        width, height = _fitted(panel.view)
        left = column * (TILE + GAP) + (TILE - width) / 2
        bottom = size[1] - row * (TILE + TITLE + GAP) - TITLE - (TILE + height) / 2
        place = (left / size[0], bottom / size[1], width / size[0], height / size[1])
        draw_panel(figure.add_axes(place), panel, fontsize=7)
    words = [
        *((name, colour) for name, colour in colours.items()),
        ("patient's right on the left", "#9aa0a6"),
    ]
    left = 0.04
    for word, colour in words:
        figure.text(left / size[0], 0.08 / size[1], word, color=colour, fontsize=8, va="bottom")
        left += 0.075 * len(word) + 0.2
    return figure


def _fitted(view: Box) -> tuple[float, float]:
    """Width and height in inches of the largest picture of a view that fits into a tile."""
    width, height = view.right - view.left, view.bottom - view.top
    scale = TILE / max(width, height)
    return width * scale, height * scale
