from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from cmda_core.errors import DataError, ModalityError
from cmda_core.schema import Case, Cohort, Pose, Task
from cmda_core.volumes import Grid


def case(folder: Path, name: str, **more: object) -> Case:
    return Case.model_validate(
        {"id": name, "subject": name, "modality": "ceT1", "image": folder / f"{name}.nii", **more}
    )


def test_round_trip_keeps_everything_and_moves_with_its_folder(tmp_path: Path) -> None:
    affine = np.diag([0.4, 0.4, 1.5, 1.0])
    pose = Pose(native=Grid(shape=(4, 5, 6), affine=affine), to_native=np.eye(4))
    here = tmp_path / "here"
    cohort = Cohort(name="source", cases=(case(here, "b", grade=3, pose=pose), case(here, "a")))
    cohort.save(here / "cohort.json")
    stored = json.loads((here / "cohort.json").read_text())
    assert [one["image"] for one in stored["cases"]] == ["b.nii", "a.nii"]
    there = tmp_path / "there"
    here.rename(there)
    loaded = Cohort.load(there / "cohort.json")
    assert [one.id for one in loaded] == ["b", "a"]
    assert loaded["b"].image == there / "b.nii"
    assert loaded["b"].grade == 3
    assert loaded["b"].pose is not None
    assert np.array_equal(loaded["b"].pose.native.affine, affine)


@pytest.mark.parametrize("text", ["{", "[]", '{"cases": [{"id": "a"}]}'])
def test_damaged_cohort_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cohort.json"
    path.write_text(text)
    with pytest.raises(DataError, match="is not a cohort file"):
        Cohort.load(path)


def test_unknown_case_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cohort 'source' has no case 'x'"):
        Cohort(name="source", cases=(case(tmp_path, "a"),))["x"]


@pytest.mark.parametrize("grade", [0, 5])
def test_grade_is_one_to_four(tmp_path: Path, grade: int) -> None:
    with pytest.raises(ValidationError):
        case(tmp_path, "a", grade=grade)


def test_task_knows_the_other_modality() -> None:
    assert Task().other("ceT1") == "hrT2"
    with pytest.raises(ModalityError, match="'FLAIR' is not part of the task"):
        Task().other("FLAIR")


@pytest.mark.parametrize(
    "values", [{"source": "hrT2"}, {"structures": {"vs": 1, "cochlea": 3}}, {"tumour": "meningioma"}]
)
def test_contradictory_task(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Task.model_validate(values)


def test_images_alone_know_nothing_but_the_scan(tmp_path: Path) -> None:
    known = {"labels": tmp_path / "l.nii", "parcellation": tmp_path / "p.nii", "grade": 2, "centre": "here"}
    (bare,) = Cohort(name="target", cases=(case(tmp_path, "a", **known),)).images_alone()
    assert (bare.labels, bare.parcellation, bare.grade) == (None, None, None)
    assert (bare.image, bare.centre) == (tmp_path / "a.nii", "here")
