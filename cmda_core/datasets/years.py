"""How the files of crossMoDA were named from year to year, and which labels they hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cmda_core.schema import LabelScheme, Layout

SOURCE, TARGET = "ceT1", "hrT2"
"""The two modalities of crossMoDA, by the names that cmda gives them in every year."""

TWO_STRUCTURES: LabelScheme = {"vs": (1,), "cochlea": (2,)}
THREE_STRUCTURES: LabelScheme = {
    "vs-extrameatal": (1,),
    "vs-intrameatal": (2,),
    "cochlea": (3,),
    "vs": (1, 2),
}


@dataclass(frozen=True)
class Year:
    """One year's layout.

    Attributes:
        layout: Its name in ``data.layout``.
        case: Names of the organisers' cases, with the groups ``centre``, if names tell, and ``number``.
        suffix: Ending of scans of the target modality.
        labels: Values of the structures in the label files.
        training: Numbers of the target cases that were published for training, by centre: all that
            tells them from the validation cases once they were unpacked flat.
        centre: Of all cases, in a year whose names do not tell.
    """

    layout: Layout
    case: re.Pattern[str]
    suffix: str = TARGET
    labels: LabelScheme = field(default_factory=lambda: dict(TWO_STRUCTURES))
    training: Mapping[str, range] = field(default_factory=dict)
    centre: str | None = None

    @property
    def file(self) -> re.Pattern[str]:
        """Names of files, with the groups ``case`` and ``role``."""
        return re.compile(rf"(?P<case>.+)_(?P<role>{SOURCE}|{self.suffix}|Label|GIFoutput)\.nii(\.gz)?")

    def centre_of(self, case: str) -> str | None:
        """Hospital that a case comes from, if its name tells."""
        match = self.case.fullmatch(case)
        return (match.groupdict().get("centre") or self.centre) if match else None

    def is_validation(self, case: str) -> bool | None:
        """Whether the number of a target case is one of the validation; nothing if it does not tell."""
        match, centre = self.case.fullmatch(case), self.centre_of(case)
        if match is None or centre is None or centre not in self.training:
            return None
        return int(match["number"]) not in self.training[centre]


YEARS: Mapping[str, Year] = {
    year.layout: year
    for year in (
        Year(
            "crossmoda2021",
            re.compile(r"crossmoda_(?P<number>\d+)"),
            training={"ldn": range(106, 211)},
            centre="ldn",
        ),
        Year(
            "crossmoda2022",
            re.compile(r"crossmoda202[12]_(?P<centre>[a-z]+)_(?P<number>\d+)"),
            training={"ldn": range(106, 211), "etz": range(105, 210)},
        ),
        Year(
            "crossmoda2023",
            re.compile(r"crossmoda2023_(?P<centre>[a-z]+)_(?P<number>\d+)"),
            suffix="T2",
            labels=dict(THREE_STRUCTURES),
        ),
    )
}
