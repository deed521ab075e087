"""Cross-validation by subject, and datasets whose grades are missing."""

from __future__ import annotations

import csv
import json
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path

import cmda_toy
import pytest
from sklearn.metrics import accuracy_score

from cmda_core.errors import ConfigError, NotTrainedError
from cmda_core.pipeline import RunSummary, run_experiment
from cmda_core.pipeline.folds import deal_subjects
from cmda_core.pipeline.inference import grade_files
from cmda_core.pipeline.stages.crossvalidate import make_folds
from cmda_core.progress import Advance, Silent
from cmda_core.protocols import GradingCase, GradingData, GradingInput, KoosPrediction
from cmda_core.registry import Registry
from cmda_core.run import Run
from cmda_core.schema import Experiment, parse_settings


class Notes:
    """Keeps what the user would read."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def task(self, description: str, total: int) -> AbstractContextManager[Advance]:
        return Silent().task(description, total)

    def note(self, message: str) -> None:
        self.lines.append(message)


@pytest.fixture
def notes() -> Notes:
    return Notes()


def changed(experiment: Experiment, **changes: object) -> Experiment:
    return Experiment.model_validate(experiment.model_dump() | changes)


def with_grades(experiment: Experiment, root: Path, grades: dict[int, object]) -> Experiment:
    """The toy dataset with other grades of its source cases."""
    cmda_toy.write_dataset(root)
    rows = [f'"crossmoda2021_ldn_{number}","training","london",{grade}' for number, grade in grades.items()]
    table = root / "crossmoda2022_training" / "infos_source_training.csv"
    table.write_text("\n".join(['"crossmoda_name","group","center","koos"', *rows]))
    data = {"root": root, "reference": root / "crossmoda2022_reference"}
    return changed(experiment, data=data)


def run(experiment: Experiment, folder: Path, registry: Registry, notes: Notes) -> RunSummary:
    return run_experiment(experiment, folder, registry=registry, progress=notes)


def case(name: str, grade: int | None, subject: str | None = None, real: str = "ceT1") -> GradingCase:
    return GradingCase(name, subject or name, {}, Path(name), real, grade)


def test_folds_hold_each_subject_once_and_spread_every_grade() -> None:
    cases = [case(f"c{number}", 1 + number % 4) for number in range(40)]

    dealt = deal_subjects(cases, 5, seed=3)

    assert Counter(dealt.values()) == dict.fromkeys(range(5), 8)
    for grade in range(1, 5):
        own = Counter(dealt[one.subject] for one in cases if one.grade == grade)
        assert own == dict.fromkeys(range(5), 2)
    assert deal_subjects(cases, 5, seed=3) == dealt
    assert deal_subjects(cases, 5, seed=4) != dealt


def test_no_scan_of_a_held_out_subject_is_learnt_from() -> None:
    source = [case("a1", 1, "anna"), case("a2", 2, "anna"), case("a3", None, "anna")]
    source += [case(f"c{number}", 1 + number % 2) for number in range(6)]
    target = [case("a4", None, "anna", "hrT2"), case("t", None, "tom", "hrT2")]

    folds = make_folds(source, target, 3, seed=0)

    assert sorted(one.case for fold in folds for one in fold.held_out) == sorted(
        one.case for one in source if one.grade
    )
    for fold in folds:
        held = {one.subject for one in fold.held_out}
        assert not held & {one.subject for one in (*fold.source, *fold.target)}
        assert len(fold.source) + sum(one.subject in held for one in source) == len(source)


def test_more_folds_than_subjects_leave_one_out() -> None:
    folds = make_folds([case("a", 1), case("b", 2), case("c", 2)], [], 5, seed=0)

    assert [len(fold.held_out) for fold in folds] == [1, 1, 1]
    assert [fold.can_be_trained for fold in folds].count(False) == 1


def test_one_fold_is_refused() -> None:
    with pytest.raises(ConfigError, match="one fold leaves nothing to train on"):
        parse_settings(Experiment, {"grading": {"folds": 1}}, "experiment")


def test_every_annotated_case_is_graded_by_a_grader_that_has_not_seen_it(
    experiment: Experiment,
    registry: Registry,
    notes: Notes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[set[str]] = []

    def fit(self: cmda_toy.ToyGrader, data: GradingData, run: Run) -> None:
        self.known = {one.subject for one in (*data.annotated, *data.unannotated)}
        seen.append(self.known)

    def grade(self: cmda_toy.ToyGrader, subject: GradingInput) -> KoosPrediction:
        if hasattr(self, "known"):  # trained in a fold, not loaded for the test cases
            assert subject.case not in self.known
        return KoosPrediction(subject.case, 2, (0.1, 0.6, 0.2, 0.1))

    monkeypatch.setattr(cmda_toy.ToyGrader, "fit", fit)
    monkeypatch.setattr(cmda_toy.ToyGrader, "grade", grade)
    validated = changed(experiment, grading={"folds": 3})
    summary = run(validated, tmp_path / "run", registry, notes).summary

    assert summary is not None
    assert len(seen) == 1 + 3  # the grader for the test cases, and one per fold
    scores = summary["cross_validation"]["toy"]
    assert scores["cases"] == 3
    assert scores["accuracy"] == accuracy_score([1, 2, 3], [2, 2, 2])
    assert scores["confusion"][0] == [0, 1, 0, 0]
    assert set(summary["grading"]["toy"]) == set(scores)
    with (tmp_path / "run" / "evaluation" / "cross_validation.csv").open() as stream:
        assert {row["case"]: row["reference"] for row in csv.DictReader(stream)} == {
            f"crossmoda2021_ldn_{number}": str(number) for number in (1, 2, 3)
        }
    assert "Cross-validation" in (tmp_path / "run" / "report" / "index.html").read_text()


def test_without_a_held_out_reference_the_cross_validation_is_still_scored(
    experiment: Experiment, registry: Registry, notes: Notes, tmp_path: Path
) -> None:
    data = experiment.data.model_dump() | {"reference": None}
    summary = run(changed(experiment, data=data, grading={"folds": 3}), tmp_path / "run", registry, notes)

    assert summary.summary is not None
    assert summary.summary["grading"] == summary.summary["segmentation"] == {}
    assert summary.summary["cross_validation"]["toy"]["cases"] == 3
    assert any("only the cross-validation can be evaluated" in line for line in notes.lines)


def test_an_interrupted_cross_validation_goes_on_with_the_next_fold(
    experiment: Experiment,
    registry: Registry,
    notes: Notes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    validated = changed(experiment, grading={"folds": 3})
    fitted: list[Path] = []
    fit = cmda_toy.ToyGrader.fit

    def stop_in_the_second(self: cmda_toy.ToyGrader, data: GradingData, run: Run) -> None:
        fitted.append(run.folder)
        if len(fitted) == 3:
            raise KeyboardInterrupt
        fit(self, data, run)

    monkeypatch.setattr(cmda_toy.ToyGrader, "fit", stop_in_the_second)
    with pytest.raises(KeyboardInterrupt):
        run(validated, tmp_path / "run", registry, notes)
    before = len(fitted)
    run(validated, tmp_path / "run", registry, notes)
    again = [path.name for path in fitted[before:]]
    assert again == ["fold-1", "fold-2"]
    whole = tmp_path / "whole"
    run(validated, whole, registry, notes)
    table = Path("cross-validated/toy/predictions.csv")
    assert (tmp_path / "run" / table).read_bytes() == (whole / table).read_bytes()


@pytest.mark.parametrize(
    "grades", [{1: '"post-operative-london"', 2: -1, 3: "NaN"}, {1: 2, 2: 2, 3: 2}, {1: 2}, {}]
)
def test_a_dataset_without_grades_to_tell_apart_ends_with_its_segmentations(
    experiment: Experiment, registry: Registry, notes: Notes, tmp_path: Path, grades: dict[int, object]
) -> None:
    ungraded = changed(with_grades(experiment, tmp_path / "data", grades), grading={"folds": 3})
    result = run(ungraded, tmp_path / "run", registry, notes)

    assert result.summary is not None
    assert set(result.summary["segmentation"]) == {"toy", "source-only"}
    assert result.summary["grading"] == {}
    assert "cross_validation" not in result.summary
    assert any("no grader is trained" in line for line in notes.lines)
    scans = tmp_path / "data" / "crossmoda2022_validation" / "validation"
    with pytest.raises(NotTrainedError, match="no trained grader"):
        grade_files(tmp_path / "run", scans, tmp_path / "g.csv", registry=registry, progress=Silent())


def test_grades_that_some_cases_lack_do_not_stop_a_run(
    experiment: Experiment, registry: Registry, notes: Notes, tmp_path: Path
) -> None:
    mixed = with_grades(experiment, tmp_path / "data", {1: 1, 2: '"post-operative-london"', 3: 4})
    reference = tmp_path / "data" / "crossmoda2022_reference" / "infos_reference.csv"
    reference.write_text('"crossmoda_name","group","center","koos"\n"crossmoda2021_ldn_211","t","l",""')
    result = run(changed(mixed, grading={"folds": 2}), tmp_path / "run", registry, notes)

    assert result.summary is not None
    assert result.summary["grading"] == {}  # the test cases have predictions and no truth
    assert "cross_validation" not in result.summary  # with one of two held out, one grade is left
    assert any("only one grade is left to learn" in line for line in notes.lines)


def test_concerns_of_the_preprocessor_reach_the_user_the_record_and_the_report(
    experiment: Experiment,
    registry: Registry,
    notes: Notes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepare = cmda_toy.ToyPreprocessor.prepare

    def doubting(self: cmda_toy.ToyPreprocessor, one: object) -> object:
        prepared = prepare(self, one)  # type: ignore[arg-type]
        concerns = ("the scan is upside down",) if prepared.case.endswith("_107") else ()
        return type(prepared)(prepared.case, prepared.crops, {"agreement": 0.25}, concerns)

    monkeypatch.setattr(cmda_toy.ToyPreprocessor, "prepare", doubting)
    run(experiment, tmp_path / "run", registry, notes)

    name = "crossmoda2021_ldn_107"
    assert f"case {name} (hrT2): the scan is upside down" in notes.lines
    assert any(line.startswith("1 of 6 scans should be looked at") and name in line for line in notes.lines)
    record = json.loads((tmp_path / "run" / "prepared" / "records" / f"{name}_hrT2.json").read_text())
    assert record["concerns"] == ["the scan is upside down"]
    with (tmp_path / "run" / "prepared" / "quality.csv").open() as stream:
        rows = {row["case"]: row for row in csv.DictReader(stream)}
    assert rows[name] == {
        "cohort": "target",
        "case": name,
        "modality": "hrT2",
        "agreement": "0.25",
        "concerns": "the scan is upside down",
    }
    assert len(rows) == 6
    page = (tmp_path / "run" / "report" / "index.html").read_text()
    assert "1 of 6 scans should be looked at" in page
    assert "the scan is upside down" in page
