"""The layouts that a phantom cohort can be written in: one writer each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

from cmda_core.datasets.phantom.plan import Plan, Scanned

LayoutName = Literal["crossmoda2021", "crossmoda2022", "crossmoda2023", "csv", "bids", "dicom"]


class PhantomWriter(Protocol):
    """Writes a cohort in one layout."""

    def case(self, plan: Plan) -> str:
        """Name of the case as the layout's reader gives it."""
        ...

    def write_scan(self, out: Path, scanned: Scanned) -> None:
        """Write all files of one case.

        Raises:
            OutputError: If a file cannot be written.
        """
        ...

    def write_tables(self, out: Path, plans: Sequence[Plan]) -> None:
        """Write what is there once per cohort.

        Raises:
            OutputError: If a file cannot be written.
        """
        ...


def writer(layout: LayoutName) -> PhantomWriter:
    """The writer of a layout."""
    if layout == "csv":
        from cmda_core.datasets.phantom.layouts.manifest import ManifestWriter

        return ManifestWriter()
    if layout == "bids":
        from cmda_core.datasets.phantom.layouts.bids import BidsWriter

        return BidsWriter()
    if layout == "dicom":
        from cmda_core.datasets.phantom.layouts.dicom import DicomWriter

        return DicomWriter()
    from cmda_core.datasets.phantom.layouts.crossmoda import CROSSMODA

    return CROSSMODA[layout]
