"""What is written is what the challenge of each year asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import yaml

from cmda_core.errors import ConfigError, DataError
from cmda_core.pipeline.inference import grade_files, segment_files
from cmda_core.pipeline.submission import submission, write_grades
from cmda_core.progress import Silent
from cmda_core.protocols import KoosPrediction
from cmda_core.registry import Registry
from cmda_core.schema import Task
from cmda_core.volumes import LabelVolume, Volume, write_volume

THREE = Task(structures={"cochlea": 1, "extrameatal": 2, "intrameatal": 3}, tumour="extrameatal")
NAME = "crossmoda2022_etz_210"


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """What lies in a container's /input, and files that are not for it."""
    folder = tmp_path / "input"
    voxels = np.random.default_rng(1).uniform(0, 1000, (12, 10, 6)).astype(np.float32)
    affine = np.diag([-0.5, -0.5, 1.5, 1.0])
    for name in (f"{NAME}_hrT2", f"{NAME}_ceT1", "notes"):
        write_volume(folder / f"{name}.nii.gz", Volume(voxels, affine, "hrT2", name))
    return folder


@pytest.mark.parametrize("year", ["2021", "2022"])
def test_label_maps_of_2021_and_2022(
    year: str, trained: Path, inputs: Path, registry: Registry, tmp_path: Path
) -> None:
    out = tmp_path / "output"
    segment_files(trained, inputs, out, challenge=year, registry=registry, progress=Silent())  # type: ignore[arg-type]
    assert [path.name for path in out.iterdir()] == [f"{NAME}_Label.nii.gz"]
    labels, scan = (
        nibabel.load(out / f"{NAME}_Label.nii.gz"),
        nibabel.load(inputs / f"{NAME}_hrT2.nii.gz"),
    )
    assert labels.shape == scan.shape
    np.testing.assert_array_equal(labels.affine, scan.affine)
    assert set(np.unique(labels.dataobj)) <= {0, 1, 2}


def test_table_of_grades_of_2022(trained: Path, inputs: Path, registry: Registry, tmp_path: Path) -> None:
    out = tmp_path / "output"
    graded = grade_files(trained, inputs, out, challenge="2022", registry=registry, progress=Silent())
    assert [path.name for path in out.iterdir()] == ["predictions.csv"]
    text = (out / "predictions.csv").read_text()
    assert text == f'"case","class"\n"{NAME}",{graded.done[0].grade}\n'


def test_table_of_grades_may_be_named(tmp_path: Path) -> None:
    write_grades(tmp_path / "mine.csv", [KoosPrediction("a", 3, (0.0, 0.0, 1.0, 0.0))])
    assert (tmp_path / "mine.csv").read_text() == '"case","class"\n"a",3\n'


def test_2023_needs_three_structures(trained: Path, inputs: Path, registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"extra-meatal vs, intra-meatal vs and cochlea.*vs, cochlea"):
        segment_files(
            trained, inputs, tmp_path / "output", challenge="2023", registry=registry, progress=Silent()
        )
    assert not (tmp_path / "output").exists()


def test_labels_are_numbered_as_in_2023() -> None:
    labels = LabelVolume(np.arange(4, dtype=np.uint8).reshape(1, 2, 2), np.eye(4), "a")
    assert submission("2023").renumbered(labels, THREE).voxels.ravel().tolist() == [0, 3, 1, 2]


def test_both_parts_of_the_tumour_are_one_before_2023() -> None:
    assert submission("2022").values(THREE).tolist() == [0, 2, 1, 1]


def test_the_tumour_is_known_by_the_task_and_what_else_there_is_is_background() -> None:
    task = Task(structures={"brainstem": 1, "lesion": 2, "cochleae": 3}, tumour="lesion")
    assert submission("2021").values(task).tolist() == [0, 0, 1, 2]


@pytest.mark.parametrize("ending", ["T2", "hrT2"])
def test_scans_of_2023_are_called_t2(
    ending: str, trained: Path, inputs: Path, registry: Registry, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    settings = yaml.safe_load((run / "experiment.yaml").read_text())
    settings["task"] = THREE.model_dump()
    (run / "experiment.yaml").write_text(yaml.safe_dump(settings))
    (run / "segmenter" / "toy" / "model" / "toy.json").write_text("[30, 3]")
    (inputs / f"{NAME}_hrT2.nii.gz").rename(inputs / f"{NAME}_{ending}.nii.gz")
    out = tmp_path / "output"
    segment_files(run, inputs, out, challenge="2023", registry=registry, progress=Silent())
    assert [path.name for path in out.iterdir()] == [f"{NAME}.nii.gz"]
    assert set(np.unique(nibabel.load(out / f"{NAME}.nii.gz").dataobj)) == {0, 3}  # the toy finds label 1


def test_a_folder_without_scans_of_the_challenge(
    trained: Path, inputs: Path, registry: Registry, tmp_path: Path
) -> None:
    (inputs / f"{NAME}_hrT2.nii.gz").unlink()
    with pytest.raises(DataError, match=r"expected scans named CASE_hrT2\.nii\.gz, found none"):
        segment_files(trained, inputs, tmp_path, challenge="2022", registry=registry, progress=Silent())
