"""Part of stage *prepare*: label files in the labels of the task, before any plugin sees them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cmda_core.datasets import Dataset
from cmda_core.datasets.labels import read_task_labels
from cmda_core.run import Run
from cmda_core.schema import Case, Cohort
from cmda_core.volumes import write_volume


def in_labels_of_task(dataset: Dataset, folder: Path, run: Run) -> Dataset:
    """The dataset with label files that hold the labels of the task.

    Args:
        dataset: Left as it is if its label files do so already.
        folder: Where label files are written otherwise; those of an earlier attempt are used again.
        run: Who does the work, and shows how much of it is done.

    Raises:
        DataError: If a label file cannot be read, or holds a value that its layout does not have.
        OutputError: If a file cannot be written.
    """
    if dataset.values is None or all(value == label for value, label in dataset.values.items()):
        return dataset
    arguments = [(case, folder, dict(dataset.values)) for case in dataset.source]
    names = [case.id for case in dataset.source]
    cases = run.each(_write_task_labels, arguments, names=names, what="labels")
    source = Cohort(name=dataset.source.name, cases=tuple(cases))
    return replace(dataset, source=source, values=None)


def _write_task_labels(case: Case, folder: Path, values: dict[int, int]) -> Case:
    if case.labels is None:
        return case
    path = folder / f"{case.id}.nii.gz"
    if not path.exists():
        write_volume(path, read_task_labels(case.labels, case.id, values))
    return case.model_copy(update={"labels": path})
