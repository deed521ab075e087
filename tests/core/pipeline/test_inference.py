"""A trained run at work on new scans."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import cmda_toy
import nibabel
import numpy as np
import pytest

from cmda_core.errors import DataError, ModalityError, NotTrainedError, OutputError, RunError
from cmda_core.pipeline import run_experiment
from cmda_core.pipeline.inference import grade_files, segment_files, translate_files
from cmda_core.pipeline.scans import find_scans
from cmda_core.progress import Silent
from cmda_core.protocols import GradingInput, KoosPrediction, PreparedCase
from cmda_core.registry import Registry
from cmda_core.schema import Case, Experiment, Task
from cmda_core.volumes import read_volume


def test_segmentations_lie_on_the_grid_of_their_scans(
    trained: Path, scans: Path, registry: Registry, tmp_path: Path
) -> None:
    written = segment_files(trained, scans, tmp_path / "out", registry=registry, progress=Silent()).done
    assert [path.name for path in written] == ["anna_Label.nii.gz", "bob_Label.nii.gz"]
    for path, scan in zip(written, sorted(scans.iterdir()), strict=True):
        labels, image = nibabel.load(path), nibabel.load(scan)
        assert labels.shape == image.shape
        np.testing.assert_array_equal(labels.affine, image.affine)


def test_translations_are_named_after_their_modality(
    trained: Path, scans: Path, registry: Registry, tmp_path: Path
) -> None:
    written = translate_files(
        trained, scans / "anna_hrT2.nii.gz", tmp_path / "out", to="ceT1", registry=registry, progress=Silent()
    ).done
    assert [path.name for path in written] == ["anna_ceT1.nii.gz"]
    assert np.abs(read_volume(written[0], "ceT1").voxels).max() <= 1


def test_grades_are_a_table(trained: Path, scans: Path, registry: Registry, tmp_path: Path) -> None:
    out = tmp_path / "grades.csv"
    predictions = grade_files(trained, scans, out, registry=registry, progress=Silent()).done
    rows = list(csv.DictReader(out.open()))
    assert [row["case"] for row in rows] == ["anna", "bob"]
    assert [int(row["class"]) for row in rows] == [prediction.grade for prediction in predictions]
    assert sum(float(rows[0][f"p{grade}"]) for grade in (1, 2, 3, 4)) == pytest.approx(1)


@pytest.mark.parametrize("modality", ["hrT2", "ceT1"])
def test_graders_get_the_real_and_the_translated_image_of_a_scan(
    trained: Path,
    scans: Path,
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    modality: str,
) -> None:
    (scans / "bob.nii.gz").rename(scans / f"bob_{modality}.nii.gz")
    seen: list[GradingInput] = []
    grade = cmda_toy.ToyGrader.grade

    def record(self: cmda_toy.ToyGrader, subject: GradingInput) -> KoosPrediction:
        seen.append(subject)
        return grade(self, subject)

    monkeypatch.setattr(cmda_toy.ToyGrader, "grade", record)
    grade_files(
        trained, scans / f"bob_{modality}.nii.gz", tmp_path / "g.csv", registry=registry, progress=Silent()
    )
    subject = seen[0]
    assert subject.real == modality
    assert set(subject.images) == {"ceT1", "hrT2"}
    fake = subject.images[Task().other(modality)].voxels
    np.testing.assert_array_equal(fake, -subject.images[modality].voxels)  # the toy translator
    assert subject.mask.voxels.shape == fake.shape


def test_a_scan_that_the_preprocessor_doubts_is_named(
    trained: Path, scans: Path, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = cmda_toy.ToyPreprocessor.prepare
    notes: list[str] = []

    class Notes(Silent):
        def note(self, message: str) -> None:
            notes.append(message)

    def doubting(self: cmda_toy.ToyPreprocessor, case: Case) -> PreparedCase:
        return replace(prepare(self, case), concerns=("the scan is upside down",))

    monkeypatch.setattr(cmda_toy.ToyPreprocessor, "prepare", doubting)
    segment_files(trained, scans / "anna_hrT2.nii.gz", tmp_path / "out", registry=registry, progress=Notes())
    assert notes == ["case anna (hrT2): the scan is upside down"]


def test_a_failed_grading_leaves_the_table_of_before(
    trained: Path, scans: Path, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "grades.csv"
    out.write_text("of yesterday")
    for scan in scans.iterdir():
        scan.write_bytes(scan.read_bytes()[:900])
    failed = grade_files(trained, scans, out, registry=registry, progress=Silent()).failed
    assert list(failed) == ["anna", "bob"]
    assert out.read_text() == "of yesterday"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_scan_that_fails_does_not_stop_the_others(
    trained: Path, scans: Path, registry: Registry, tmp_path: Path
) -> None:
    (scans / "anna_hrT2.nii.gz").write_bytes((scans / "anna_hrT2.nii.gz").read_bytes()[:900])
    labels, table = tmp_path / "labels", tmp_path / "grades.csv"
    segmented = segment_files(trained, scans, labels, registry=registry, progress=Silent())
    assert "anna_hrT2.nii.gz: the file is damaged" in segmented.failed["anna"]
    assert [path.name for path in labels.iterdir()] == ["bob_Label.nii.gz"]
    graded = grade_files(trained, scans, table, registry=registry, progress=Silent())
    assert list(graded.failed) == ["anna"]
    assert [row["case"] for row in csv.DictReader(table.open())] == ["bob"]


def test_the_error_of_a_single_scan_is_raised(
    trained: Path, scans: Path, registry: Registry, tmp_path: Path
) -> None:
    scan = scans / "bob.nii.gz"
    scan.write_bytes(scan.read_bytes()[:900])
    with pytest.raises(DataError, match=r"bob\.nii\.gz: the file is damaged"):
        segment_files(trained, scan, tmp_path / "out", registry=registry, progress=Silent())


def test_a_folder_cannot_be_the_table_of_grades(
    trained: Path, scans: Path, registry: Registry, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match="is a folder"):
        grade_files(trained, scans, tmp_path, registry=registry, progress=Silent())


def test_two_scans_of_one_case_are_refused(
    trained: Path, scans: Path, registry: Registry, tmp_path: Path
) -> None:
    (scans / "anna_ceT1.nii.gz").write_bytes((scans / "anna_hrT2.nii.gz").read_bytes())
    with pytest.raises(DataError, match=r"case anna: found .*anna_ceT1.* and .*anna_hrT2"):
        segment_files(trained, scans, tmp_path / "out", registry=registry, progress=Silent())


def test_a_scan_of_the_wanted_modality_is_not_translated(
    trained: Path, scans: Path, registry: Registry, tmp_path: Path
) -> None:
    with pytest.raises(ModalityError, match="expected ceT1"):
        translate_files(trained, scans, tmp_path / "out", to="hrT2", registry=registry, progress=Silent())


def test_what_is_no_run_is_refused(scans: Path, registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        segment_files(tmp_path, scans, tmp_path / "out", registry=registry, progress=Silent())


def test_an_unfinished_run_says_what_is_missing(
    experiment: Experiment, registry: Registry, scans: Path, tmp_path: Path
) -> None:
    run_experiment(experiment, tmp_path / "run", registry=registry, progress=Silent(), until="prepare")
    with pytest.raises(NotTrainedError, match="no trained segmenter"):
        segment_files(tmp_path / "run", scans, tmp_path / "out", registry=registry, progress=Silent())


def test_an_empty_folder_and_a_missing_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no \.nii"):
        find_scans(tmp_path, Task())
    with pytest.raises(DataError, match="no such file or folder"):
        find_scans(tmp_path / "nowhere", Task())
