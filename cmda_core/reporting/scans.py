"""Reads test scans as they were acquired, with what was found in them and what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cmda_core.datasets import read_dataset
from cmda_core.datasets.labels import read_task_labels
from cmda_core.errors import CmdaError
from cmda_core.evaluation.references import References
from cmda_core.reporting.entries import ShownEntry
from cmda_core.reporting.finished import FinishedRun
from cmda_core.schema import Case
from cmda_core.volumes import LabelVolume, Volume, read_labels, read_volume, require_same_grid

_ENDING = "_Label.nii.gz"


@dataclass(frozen=True, slots=True, eq=False)
class ScannedCases:
    """The test scans of a run.

    Attributes:
        cases: By name.
        references: What is there, if that is known.
        notes: What is to be said about it.
    """

    cases: Mapping[str, Case]
    references: References | None
    notes: tuple[str, ...]

    @classmethod
    def open(cls, run: FinishedRun) -> ScannedCases:
        """Find the scans of a run and their references.

        Raises:
            CmdaError: If the dataset cannot be read any more.
        """
        dataset = read_dataset(run.experiment.data, run.experiment.task)
        references, notes = _references(run, dataset.values)
        return cls({case.id: case for case in dataset.test}, references, notes)

    def image(self, name: str) -> Volume:
        """The scan of a case.

        Raises:
            CmdaError: If there is none, or it cannot be read.
        """
        if name not in self.cases:
            raise CmdaError("the dataset has no such scan any more.")
        case = self.cases[name]
        return read_volume(case.image, case.modality, case.id)

    def reference(self, image: Volume) -> LabelVolume | None:
        """The expert's labels of a case, if there are any.

        Raises:
            CmdaError: If they cannot be read, or lie on another grid than the scan.
        """
        if self.references is None or image.case not in self.references.labels:
            return None
        path = self.references.labels[image.case]
        return _on_grid(image, path, read_task_labels(path, image.case, self.references.values))


def segmented_cases(entries: Sequence[ShownEntry]) -> list[str]:
    """Names of the cases that any entry has a label map of."""
    paths = (path for entry in entries for path in entry.segmented.glob(f"[!.]*{_ENDING}"))
    return sorted({path.name.removesuffix(_ENDING) for path in paths})


def prediction(entry: ShownEntry, image: Volume) -> LabelVolume | None:
    """What an entry found in a scan, if it was segmented.

    Raises:
        CmdaError: If the file cannot be read, or lies on another grid than the scan.
    """
    path = entry.segmented / f"{image.case}{_ENDING}"
    return _on_grid(image, path, read_labels(path, image.case)) if path.is_file() else None


def _references(
    run: FinishedRun, values: Mapping[int, int] | None
) -> tuple[References | None, tuple[str, ...]]:
    path = run.experiment.data.reference
    if path is None:
        return None, ("The run has no reference: the pictures show what was found, not what is there.",)
    try:
        return References.find(path, values), ()
    except CmdaError as error:
        return None, (f"The reference cannot be shown: {error}",)


def _on_grid(image: Volume, path: Path, labels: LabelVolume) -> LabelVolume:
    require_same_grid(image.grid, labels.grid, ("the scan", path.name))
    return labels
