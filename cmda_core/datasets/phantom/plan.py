"""A case of a phantom cohort: before it is made, and once it is scanned."""

from __future__ import annotations

from dataclasses import dataclass

from cmda_core.datasets.phantom.anatomy import Subject
from cmda_core.datasets.phantom.contrast import Modality
from cmda_core.datasets.phantom.presets import Centre
from cmda_core.datasets.split import Split
from cmda_core.volumes import LabelVolume, Volume


@dataclass(frozen=True, slots=True)
class Plan:
    """A case that is to be made.

    Attributes:
        case: Name without endings, as in crossMoDA 2022; with the seed it decides on the subject.
        split: Part of the cohort.
        centre: Hospital.
        grade: Koos grade of its tumour.
        operated: Whether its grade is withheld, as of operated patients.
        number: Position in the cohort, from 1; layouts with plain numbers use it as the name.
    """

    case: str
    split: Split
    centre: Centre
    grade: int
    operated: bool = False
    number: int = 0

    @property
    def modality(self) -> Modality:
        """What is scanned in this split."""
        return "ceT1" if self.split == "source" else "hrT2"


@dataclass(frozen=True, slots=True, eq=False)
class Scanned:
    """A subject and its scan.

    Attributes:
        plan: Who it is.
        subject: The geometry.
        scan: Intensities, whole numbers.
        labels: 1 tumour, 2 cochleae.
        structures: The parcellation.
    """

    plan: Plan
    subject: Subject
    scan: Volume
    labels: LabelVolume
    structures: LabelVolume
