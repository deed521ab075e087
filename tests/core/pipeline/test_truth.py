"""No stage before the evaluation can open a label or a grade of the target scans."""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path

import cmda_toy
import nibabel
import numpy as np
import pytest

from cmda_core.datasets import Dataset, read_dataset
from cmda_core.errors import DataError, HeldOutError
from cmda_core.pipeline import RunSummary, run_experiment
from cmda_core.pipeline.truth import closed, held_out_files
from cmda_core.progress import Silent
from cmda_core.protocols import GradingCase, GradingData, PreparationData, TranslationData
from cmda_core.schema import Case, Cohort, DataConfig, Experiment
from cmda_core.testing.traces import watched

ROOT = Path(__file__).parents[3]
TRUE = {"labels": Path("a_Label.nii.gz"), "parcellation": Path("a_GIF.nii.gz"), "grade": 3}


class Notes(Silent):
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


def run(experiment: Experiment, folder: Path, **options: object) -> RunSummary:
    return run_experiment(
        experiment,
        folder,
        registry=cmda_toy.registry(),
        progress=options.pop("progress", Silent()),  # type: ignore[arg-type]
        **options,  # type: ignore[arg-type]
    )


def experiment_of(root: Path) -> Experiment:
    return Experiment.model_validate(
        {
            "data": {"root": root, "reference": root / "crossmoda2022_reference"},
            "preprocessor": "toy",
            "translator": {"plugin": "toy", "steps": 1},
            "segmenter": "toy",
            "grader": "toy",
            "baselines": {"source_only": True},
            "grading": {"folds": 2},
            "runtime": {"device": "cpu", "threads": 1},
        }
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    cmda_toy.write_dataset(tmp_path / "scans")
    return tmp_path / "scans"


def test_all_stages_work_while_the_truth_is_garbage(root: Path, tmp_path: Path) -> None:
    """The truth may be damaged until it is needed; then that is said, and once it is mended all is well."""
    reference = root / "crossmoda2022_reference"
    shutil.copytree(reference, tmp_path / "kept")
    for path in reference.iterdir():
        path.write_bytes(b"nothing to be read")
    with watched(root) as traces:
        run(experiment_of(root), tmp_path / "run", until="cross-validate")
    assert not [path for path in traces.read if path.is_relative_to(reference)]
    assert [path for path in traces.read if path.name.endswith("_ceT1.nii.gz")]
    with pytest.raises(DataError, match="crossmoda2022_reference"):
        run(experiment_of(root), tmp_path / "run")
    shutil.rmtree(reference)
    shutil.copytree(tmp_path / "kept", reference)
    again = run(experiment_of(root), tmp_path / "run")
    whole = run(experiment_of(root), tmp_path / "whole")
    assert again.summary == whole.summary


def test_no_cohort_of_a_run_names_the_truth(root: Path, tmp_path: Path) -> None:
    run(experiment_of(root), tmp_path / "run", until="grade")
    for name in ("target", "test"):
        cohorts = list((tmp_path / "run").rglob(f"{name}.json"))
        assert cohorts
        for path in cohorts:
            for case in json.loads(path.read_text())["cases"]:
                assert not {"labels", "parcellation", "grade"} & case.keys()


@pytest.mark.parametrize("field", ["labels", "parcellation", "grade"])
def test_the_types_do_not_take_the_truth(field: str) -> None:
    case = Case(id="a", subject="a", modality="hrT2", image=Path("a.nii.gz"))
    knowing = case.model_copy(update={field: TRUE[field]})
    plain, telling = (Cohort(name="target", cases=(one,)) for one in (case, knowing))
    Dataset(telling, plain, plain)
    for make in (
        lambda: Dataset(plain, telling, plain),
        lambda: Dataset(plain, plain, telling),
        lambda: PreparationData(plain, telling),
        lambda: TranslationData(plain, telling),
    ):
        with pytest.raises(HeldOutError, match=f"case a carries {field}"):
            make()
    assert TranslationData(plain, telling.images_alone()).target == plain


def test_graders_get_no_grade_of_what_is_unannotated() -> None:
    case = GradingCase("a", "a", {}, Path(), "hrT2", 2)
    with pytest.raises(HeldOutError, match="carries a grade"):
        GradingData((), (case,))


def test_what_is_closed_cannot_be_opened_in_any_spelling(root: Path, tmp_path: Path) -> None:
    dataset = read_dataset(DataConfig(root=root))
    reference = root / "crossmoda2022_reference"
    label = next(reference.glob("*_Label.nii.gz"))
    files = held_out_files(reference, dataset)
    link = tmp_path / "link"
    link.symlink_to(reference)
    with closed(files, "prepare"):
        for path in (label, reference / ".." / reference.name / label.name):
            with pytest.raises(HeldOutError, match="stage 'prepare' tried to open it"):
                path.read_bytes()
        for case in dataset.source:
            case.image.read_bytes()
    assert label.read_bytes()
    assert held_out_files(None, dataset) == frozenset()
    paired = cmda_toy.write_paired(root, tmp_path / "paired")
    assert held_out_files(None, dataset, paired) >= {str(path) for path in paired.iterdir()}


def test_the_source_stays_open_where_everything_lies_in_one_folder(root: Path) -> None:
    dataset = read_dataset(DataConfig(root=root))
    files = held_out_files(root, dataset)
    own = [str(path) for case in dataset.source for path in (case.image, case.labels) if path]
    assert not files & set(own)
    assert str(root / "crossmoda2022_reference" / "crossmoda2021_ldn_211_Label.nii.gz") in files


def test_few_modules_know_the_way_to_the_truth() -> None:
    knowing = set()
    for folder in ("cmda_core", "plugins", "cli"):
        for path in (ROOT / folder).rglob("*.py"):
            names = {
                alias.name
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.ImportFrom)
                for alias in node.names
            }
            if "References" in names:
                knowing.add(path.relative_to(ROOT).as_posix())
    assert knowing == {
        "cmda_core/evaluation/evaluate.py",
        "cmda_core/pipeline/runner.py",  # tells one reference from another, by name, size and time
        "cmda_core/pipeline/stages/evaluate.py",
        "cmda_core/pipeline/stages/oracle.py",
        "cmda_core/pipeline/truth.py",  # keeps it closed
        *(path for path in knowing if path.startswith("cmda_core/reporting/")),
    }


def test_a_subject_that_is_trained_and_tested_on_is_refused(root: Path, tmp_path: Path) -> None:
    rows = ["case,subject,split,image,labels,grade"]
    for path in sorted(root.rglob("*_ceT1.nii.gz")):
        labels = path.with_name(path.name.replace("ceT1", "Label"))
        rows.append(f"{path.name[:20]},,source,{path},{labels},1")
    scans = sorted(root.rglob("*_hrT2.nii.gz"))
    rows.append(f"t1,anna,target,{scans[0]},,")
    rows.append(f"t2,anna,test,{scans[1]},,")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    experiment = Experiment.model_validate(
        {**experiment_of(root).model_dump(), "data": {"root": tmp_path / "manifest.csv"}}
    )
    with pytest.raises(DataError, match=r"subject anna: is in test \(case t2\) and in target"):
        run(experiment, tmp_path / "run")


def test_the_same_scan_in_training_and_test_is_warned_of(root: Path, tmp_path: Path) -> None:
    trained = next(root.rglob("*ldn_107_hrT2.nii.gz"))
    tested = next(root.rglob("*ldn_211_hrT2.nii.gz"))
    image = nibabel.load(trained)
    # Stored in another way: other bytes, the same scan.
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj, np.float64), image.affine), tested)
    notes = Notes()
    run(experiment_of(root), tmp_path / "run", until="prepare", progress=notes)
    (warning,) = [note for note in notes.notes if note.startswith("warning:")]
    assert str(tested) in warning
    assert str(trained) in warning
    notes = Notes()
    run(experiment_of(root), tmp_path / "run", until="prepare", progress=notes)
    assert notes.notes == []
