"""Pictures of translated scans beside real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cmda_core.reporting.colours import REFERENCE_COLOUR
from cmda_core.reporting.figures import Outline, Panel, axial, largest_section, montage, window_of
from cmda_core.reporting.viewer.images import PREPARED_WINDOW
from cmda_core.volumes import LabelVolume, Volume


@dataclass(frozen=True, slots=True, eq=False)
class TranslatedScan:
    """A prepared scan in both modalities, one real and one translated.

    Attributes:
        real: As it was acquired.
        translated: Rendered in the other modality, on the same grid; by who did it.
        other: A real scan of another subject in that other modality, to compare the look with.
        true: A real scan of the same subject in it, on the same grid, where there is one.
        labels: Labels of ``real``, which the translated scan inherits.
    """

    real: Volume
    translated: Mapping[str, Volume]
    other: Volume | None = None
    labels: LabelVolume | None = None
    true: Volume | None = None


def translation_montage(scan: TranslatedScan, tumour: int) -> Figure:
    """Real scan, translated scan and a real one of another subject, at the same height.

    Args:
        scan: Prepared scans on one grid.
        tumour: Label of the structure that the slice is chosen by; the middle slice without labels.
    """
    labels = axial(scan.labels).slices if scan.labels is not None else None
    guide = labels == tumour if labels is not None else np.zeros(axial(scan.real).slices.shape, bool)
    index = largest_section(guide)
    inherited = _outlines(labels[index]) if labels is not None else ()
    panels = [
        _panel(scan.real, index, f"{scan.real.modality}, real"),
        *(
            _panel(volume, index, f"{volume.modality}, {who}", inherited)
            for who, volume in scan.translated.items()
        ),
    ]
    if scan.true is not None:
        window = window_of(scan.true.voxels)
        panels.append(_panel(scan.true, index, f"{scan.true.modality}, the same subject", inherited, window))
    if scan.other is not None:
        panels.append(_panel(scan.other, index, f"{scan.other.modality}, another subject"))
    return montage(panels)


def _panel(
    volume: Volume,
    index: int,
    title: str,
    outlines: tuple[Outline, ...] = (),
    window: tuple[float, float] = PREPARED_WINDOW,
) -> Panel:
    stack = axial(volume)
    index = min(index, len(stack.slices) - 1)
    return Panel(stack.slices[index], (stack.spacing[1], stack.spacing[2]), window, title, outlines)


def _outlines(labels: NDArray[np.uint8]) -> tuple[Outline, ...]:
    return tuple(Outline(labels == label, REFERENCE_COLOUR, 1.2) for label in np.unique(labels[labels > 0]))
