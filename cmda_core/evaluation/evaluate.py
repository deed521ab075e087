"""Compares predictions with references, and writes the tables.

A case that has a reference and no prediction counts as missed and is named: leaving out what was
hard must not improve a mean. A prediction without reference cannot be scored; it is named and left
out. A grade that was not given has no error that could be counted, so a table of grades without a
case of the reference is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from cmda_core.datasets.labels import read_task_labels
from cmda_core.errors import DataError
from cmda_core.evaluation.predictions import (
    GRADES_FILE,
    PredictedGrade,
    find_predicted_labels,
    read_predicted_grades,
)
from cmda_core.evaluation.references import References
from cmda_core.evaluation.segmentation import Definition, StructureScore, score_case, score_missing
from cmda_core.evaluation.tables import (
    GRADES_COLUMNS,
    PROBABILITY_COLUMNS,
    TRANSLATION_COLUMNS,
    per_case_table,
    summarise,
    write_rows,
    write_table,
)
from cmda_core.files import real_path, write_json
from cmda_core.parallel import each_case
from cmda_core.schema import Task
from cmda_core.volumes import read_labels, require_same_grid


@dataclass(frozen=True)
class Evaluation:
    """Scores, case by case.

    Attributes:
        per_case: Columns ``tables.PER_CASE_COLUMNS``.
        grades: Columns ``tables.GRADES_COLUMNS``.
        definition: The ASSD in ``per_case``.
        not_predicted: Cases with reference that an entry has no segmentation of; scored as missed.
        without_reference: Cases of an entry that could not be scored.
        cross_validation: Columns ``tables.GRADES_COLUMNS``, of annotated cases that their grader has not
            been trained on; empty without a cross-validation.
        translations: Columns ``tables.TRANSLATION_COLUMNS``; empty without true scans to compare with.
    """

    per_case: pd.DataFrame
    grades: pd.DataFrame
    definition: Definition = "challenge"
    not_predicted: Mapping[str, list[str]] = field(default_factory=dict)
    without_reference: Mapping[str, list[str]] = field(default_factory=dict)
    cross_validation: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=GRADES_COLUMNS))
    translations: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=TRANSLATION_COLUMNS))

    @classmethod
    def empty(cls) -> Evaluation:
        """Nothing has been scored."""
        return cls(per_case_table({}), grade_table({}, {}))

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Means, standard deviations and counts, as in ``summary.json``."""
        return summarise(
            self.per_case, self.grades, self.definition, self.cross_validation, self.translations
        )

    def write(self, folder: Path) -> None:
        """Write ``per_case.csv``, ``grades.csv`` and ``summary.json``.

        And ``cross_validation.csv`` and ``translations.csv``, where there is anything to write.

        Raises:
            OutputError: If a file cannot be written.
        """
        write_table(folder / "per_case.csv", self.per_case)
        write_table(folder / "grades.csv", self.grades)
        write_rows(folder / "cross_validation.csv", self.cross_validation)
        write_rows(folder / "translations.csv", self.translations)
        write_json(folder / "summary.json", self.summary)


def evaluate_folders(
    predictions: Path,
    reference: Path,
    task: Task,
    *,
    out: Path | None = None,
    values: Mapping[int, int] | None = None,
    definition: Definition = "challenge",
    jobs: int = 1,
) -> Evaluation:
    """Evaluate one folder of predictions; its name becomes the name of the entry.

    Args:
        predictions: Holds ``<case>_Label.nii.gz`` or ``<case>.nii.gz``, ``predictions.csv``, or both.
        reference: Holds ``<case>_Label.nii.gz``, ``infos_*.csv``, or both, in any nesting; or a CSV
            manifest.
        task: Names the structures.
        out: Where to write the tables, if anywhere.
        values: Label of the task by value of the reference's label maps. Predictions hold the
            task's labels.
        definition: Which ASSD.
        jobs: Processes.

    Raises:
        DataError: If nothing can be compared, or a file cannot be used.
        GeometryError: If a prediction is not on the grid of its reference.
        OutputError: If the tables cannot be written.
    """
    references = References.find(reference, values)
    entry = real_path(predictions).name
    table = predictions / GRADES_FILE
    graders = {entry: table} if table.is_file() else {}
    found, _ = find_predicted_labels(predictions, references.labels)
    if not found and not graders:
        raise DataError(
            f"{predictions}: holds no prediction of a case in {reference}. Expected <case>_Label.nii.gz, "
            f"<case>.nii.gz or {GRADES_FILE}; {_examples(references)}."
        )
    evaluation = evaluate_entries(
        {entry: predictions} if found else {}, graders, references, task, definition=definition, jobs=jobs
    )
    if out is not None:
        evaluation.write(out)
    return evaluation


def evaluate_entries(
    segmenters: Mapping[str, Path],
    graders: Mapping[str, Path],
    references: References,
    task: Task,
    *,
    definition: Definition = "challenge",
    jobs: int = 1,
) -> Evaluation:
    """Evaluate several entries against the same references.

    Args:
        segmenters: Folder with the label maps of each entry.
        graders: Table with the predicted grades of each grader.
        references: What to compare with.
        task: Names the structures.
        definition: Which ASSD.
        jobs: Processes.

    Raises:
        DataError: If a file cannot be used, or a grader left out a case of the reference.
        GeometryError: If a prediction is not on the grid of its reference.
    """
    scores: dict[str, list[StructureScore]] = {}
    not_predicted: dict[str, list[str]] = {}
    without_reference: dict[str, list[str]] = {}
    for entry, folder in segmenters.items():
        found, without_reference[entry] = find_predicted_labels(folder, references.labels)
        not_predicted[entry] = [case for case in references.labels if case not in found]
        scores[entry] = _score_all(found, references, task, definition, jobs)
    return Evaluation(
        per_case_table(scores),
        _complete_grade_table(graders, references),
        definition,
        {entry: cases for entry, cases in not_predicted.items() if cases},
        {entry: cases for entry, cases in without_reference.items() if cases},
    )


def _score_all(
    found: Mapping[str, Path], references: References, task: Task, definition: Definition, jobs: int
) -> list[StructureScore]:
    arguments = [
        (found.get(case), path, references.values, task, case, definition)
        for case, path in references.labels.items()
    ]
    results = each_case(_score_files, arguments, names=list(references.labels), jobs=jobs, what="score")
    return [score for of_case in results for score in of_case]


def _score_files(
    prediction: Path | None,
    reference: Path,
    values: Mapping[int, int] | None,
    task: Task,
    case: str,
    definition: Definition,
) -> list[StructureScore]:
    truth = read_task_labels(reference, case, values)
    if prediction is None:
        return score_missing(truth, task.structures, case)
    predicted = read_labels(prediction, case)
    require_same_grid(truth.grid, predicted.grid, (str(reference), str(prediction)))
    try:
        return score_case(predicted, truth, task.structures, case, definition)
    except DataError as error:
        raise DataError(f"{prediction}, {reference}: {error}") from error


def _complete_grade_table(graders: Mapping[str, Path], references: References) -> pd.DataFrame:
    for path in graders.values():
        _check_complete(path, read_predicted_grades(path), references)
    return grade_table(graders, references.grades)


def grade_table(graders: Mapping[str, Path], grades: Mapping[str, int]) -> pd.DataFrame:
    """One row per grader and case that it graded, with ``tables.GRADES_COLUMNS``.

    Args:
        graders: Table with the predicted grades of each grader.
        grades: True grade of each case that has one.

    Raises:
        DataError: If a file cannot be used.
    """
    rows: list[dict[str, object]] = []
    for entry, path in graders.items():
        for grade in read_predicted_grades(path):
            probabilities = dict(zip(PROBABILITY_COLUMNS, grade.probabilities, strict=False))
            reference = grades.get(grade.case)
            rows.append(
                {
                    "entry": entry,
                    "case": grade.case,
                    "reference": reference,
                    "predicted": grade.grade,
                    **probabilities,
                }
            )
    return pd.DataFrame(rows, columns=GRADES_COLUMNS).astype({"reference": "Int64", "predicted": "Int64"})


def _check_complete(path: Path, predicted: list[PredictedGrade], references: References) -> None:
    missing = sorted(references.grades.keys() - {grade.case for grade in predicted})
    if missing:
        names = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise DataError(
            f"{path}: {len(missing)} of {len(references.grades)} graded cases are missing ({names}). "
            "Predict all of them, or leave the others out of the reference."
        )


def _examples(references: References) -> str:
    names = sorted({*references.labels, *references.grades})[:3]
    return f"the references are of {', '.join(names)}" + (", ..." if len(names) == 3 else "")
