"""Puts cases into the three cohorts of a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from cmda_core.datasets.dataset import Dataset
from cmda_core.errors import DataError
from cmda_core.schema import Case, Cohort, Task

Split = Literal["source", "target", "test"]


def make_dataset(
    layout: str, where: str, cases: Mapping[Split, Sequence[Case]], unpaired: Iterable[Path] = ()
) -> Dataset:
    """Cohorts of cases.

    Raises:
        DataError: If a cohort for training is empty.
    """
    for split in ("source", "target"):
        if not cases[split]:
            counts = ", ".join(f"{len(some)} {name}" for name, some in cases.items())
            labelled = " with labels" if split == "source" else ""
            raise DataError(
                f"{where}: holds no {split} scan{labelled} ({counts}). Both are needed for training."
            )
    cohorts = {split: Cohort(name=split, cases=tuple(some)) for split, some in cases.items()}
    return Dataset(cohorts["source"], cohorts["target"], cohorts["test"], tuple(unpaired), layout)


def refuse_shared_subjects(dataset: Dataset) -> None:
    """Refuse a subject that would be both learnt from and tested on.

    Raises:
        DataError: Naming the subject.
    """
    trained = {case.subject: cohort.name for cohort in (dataset.source, dataset.target) for case in cohort}
    for case in dataset.test:
        if case.subject in trained:
            raise DataError(
                f"subject {case.subject}: is in test (case {case.id}) and in {trained[case.subject]}. What "
                "was trained on cannot be tested on: keep all scans of a subject on one side."
            )


def check_cases(dataset: Dataset, task: Task, where: str) -> None:
    """Refuse cases that could not be told apart, or that are not of the task's modality.

    Args:
        dataset: The cases.
        task: Names the modalities.
        where: The dataset, to begin a message with.

    Raises:
        DataError: Naming the case.
    """
    seen: dict[str, str] = {}
    for cohort in dataset.cohorts:
        expected = task.source if cohort.name == "source" else task.target
        for case in cohort:
            if case.id in seen:
                raise DataError(
                    f"{where}: case {case.id}: is in {seen[case.id]} and again in {cohort.name}. Give every "
                    "scan a name of its own; scans of one subject share the subject, not the name."
                )
            seen[case.id] = cohort.name
            if case.modality != expected:
                raise DataError(
                    f"{where}: case {case.id}: is {case.modality}, but {cohort.name} scans of this task are "
                    f"{expected}. Correct the dataset, or task.source and task.target."
                )
