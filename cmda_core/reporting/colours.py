"""The colours of entries and of the reference, in tables and pictures alike."""

from __future__ import annotations

from collections.abc import Iterable

REFERENCE_COLOUR = "#19e3a2"
"""Of the expert's labels."""

ENTRY_COLOURS = ("#ff9f1c", "#5bc0ff", "#ff5d8f", "#ffe45e", "#c08bff", "#f4f4f4")
"""Of predictions; told apart with every common form of colour blindness, and on grey."""


def colours_of(entries: Iterable[str]) -> dict[str, str]:
    """The colour of each entry, as ``#rrggbb``."""
    names = dict.fromkeys(entries)
    return {entry: ENTRY_COLOURS[number % len(ENTRY_COLOURS)] for number, entry in enumerate(names)}
