"""What a dataset on disk consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cmda_core.schema import Cohort


@dataclass(frozen=True, slots=True)
class Dataset:
    """The scans of a study as they were acquired.

    Attributes:
        source: Source modality, each case with labels, some with a parcellation or a Koos grade.
        target: Target modality for training; images alone.
        test: Target modality to be predicted; images alone. Subjects of it are in no other cohort.
        unpaired: Recognised files that no case uses, because the file that they belong to is
            missing: scans of the source modality without labels, and labels or parcellations
            without a scan.
        layout: How the files are named; empty if the dataset was not read from a folder.
        values: Label of the task by value of the label files; nothing if the files hold the task's
            labels already.

    Raises:
        HeldOutError: If a case of the target modality carries labels or a grade.
    """

    source: Cohort
    target: Cohort
    test: Cohort
    unpaired: tuple[Path, ...] = ()
    layout: str = ""
    values: Mapping[int, int] | None = None

    def __post_init__(self) -> None:
        self.target.require_images_alone()
        self.test.require_images_alone()

    @property
    def cohorts(self) -> tuple[Cohort, Cohort, Cohort]:
        """Source, target and test."""
        return self.source, self.target, self.test
