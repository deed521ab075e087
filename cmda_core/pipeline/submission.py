"""What the crossMoDA challenge wants to find: names of files, numbers of structures, tables of grades."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cmda_core.errors import ConfigError
from cmda_core.files import replacing
from cmda_core.protocols import KoosPrediction
from cmda_core.schema import Task
from cmda_core.volumes import LabelVolume

ChallengeYear = Literal["2021", "2022", "2023"]

GRADES = "predictions.csv"
"""Name of the table of grades in a submission of 2022."""

_TUMOUR = "vs"
_TWO_STRUCTURES = {"cochlea": 2, _TUMOUR: 1, "extra": 1, "intra": 1}
_THREE_STRUCTURES = {"cochlea": 3, "extra": 1, "intra": 2}


@dataclass(frozen=True, slots=True)
class Submission:
    """The files of one year's submission.

    Attributes:
        year: Of the challenge.
        labels: File name of a label map, with ``{case}`` in it.
        scans: Endings of the names of the scans that are to be segmented, before ``.nii.gz``.
        structures: Label value that the challenge gives to a structure with this word in its name.
    """

    year: ChallengeYear
    labels: str
    scans: tuple[str, ...]
    structures: Mapping[str, int]

    def renumbered(self, labels: LabelVolume, task: Task) -> LabelVolume:
        """Labels as the challenge numbers them; structures that it does not know are background.

        Raises:
            ConfigError: If the task lacks a structure of the challenge.
        """
        return LabelVolume(self.values(task)[labels.voxels], labels.affine, labels.case)

    def values(self, task: Task) -> NDArray[np.uint8]:
        """The challenge's value for each label of the task, index 0 being background.

        Raises:
            ConfigError: If the task lacks a structure of the challenge.
        """
        values = np.zeros(len(task.structures) + 1, np.uint8)
        for name, label in task.structures.items():
            values[label] = self._value(name, task)
        if set(self.structures.values()) - set(values.tolist()):
            raise ConfigError(
                f"--challenge {self.year}: expected a model of {_WANTED[self.year]}, but this one was "
                f"trained for {', '.join(task.structures)}. {_ADVICE[self.year]}"
            )
        return values

    def _value(self, structure: str, task: Task) -> int:
        name = structure.casefold()
        for word, value in self.structures.items():
            if word in name or (word == _TUMOUR and structure == task.tumour):
                return value
        return 0


_WANTED = {
    "2021": "vs and cochlea",
    "2022": "vs and cochlea",
    "2023": "three structures, extra-meatal vs, intra-meatal vs and cochlea",
}
_ADVICE = {
    "2021": "Name them so in task.structures of the experiment.",
    "2022": "Name them so in task.structures of the experiment.",
    "2023": "Train one with task.structures={vs-extrameatal: 1, vs-intrameatal: 2, cochlea: 3}, "
    "or choose --challenge 2022.",
}


def submission(year: ChallengeYear) -> Submission:
    """The files of a year's submission."""
    if year == "2023":
        return Submission(year, "{case}.nii.gz", ("T2", "hrT2"), _THREE_STRUCTURES)
    return Submission(year, "{case}_Label.nii.gz", ("hrT2",), _TWO_STRUCTURES)


def write_grades(path: Path, predictions: Iterable[KoosPrediction]) -> None:
    """Write the table of grades of 2022: ``"case","class"``, and nothing else.

    Raises:
        OutputError: If the file cannot be written.
    """
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        rows.writerow(["case", "class"])
        rows.writerows([prediction.case, prediction.grade] for prediction in predictions)
