"""The phantom's files: layout, tables, grids, and that the same seed gives the same bytes."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cmda_core.datasets.phantom import write_phantom
from cmda_core.datasets.phantom.acquisition import Protocol
from cmda_core.datasets.phantom.dataset import plan_cohort, write_case, write_cohort
from cmda_core.datasets.phantom.presets import PRESETS
from cmda_core.datasets.phantom.tissues import Structure
from cmda_core.errors import ConfigError
from cmda_core.progress import Silent
from cmda_core.volumes import read_labels, read_volume

COARSE = replace(
    PRESETS["demo"],
    operated=0.25,
    protocols={
        (centre, modality): Protocol((1.8, 1.8, 2.0), (100, 100, 30), orientation, 1000, 0.02)
        for centre, orientation in (("ldn", "LPS"), ("etz", "RAS"))
        for modality in ("ceT1", "hrT2")
    },
)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("phantom")
    plans = plan_cohort(COARSE, source=3, target=1, test=1)
    write_cohort(out, COARSE, plans, seed=1, jobs=1, progress=Silent())
    return out


def test_layout_is_that_of_the_challenge(cohort):
    files = {path.relative_to(cohort).as_posix() for path in cohort.rglob("*") if path.is_file()}
    names = [f"crossmoda2021_ldn_{n}" for n in range(1, 6)]
    assert files == {
        *(f"crossmoda2022_training/training_source/{name}_ceT1.nii.gz" for name in names[:3]),
        *(f"crossmoda2022_training/training_source/{name}_Label.nii.gz" for name in names[:3]),
        *(f"training_source_GIF/training_source_GIF/{name}_GIFoutput.nii.gz" for name in names[:3]),
        f"crossmoda2022_training/training_target/{names[3]}_hrT2.nii.gz",
        f"crossmoda2022_validation/validation/{names[4]}_hrT2.nii.gz",
        "crossmoda2022_training/infos_source_training.csv",
        *(f"crossmoda2022_reference/{name}_Label.nii.gz" for name in names[3:]),
        "crossmoda2022_reference/infos_reference.csv",
    }


def test_source_table_is_quoted_like_the_organisers(cohort):
    lines = (cohort / "crossmoda2022_training/infos_source_training.csv").read_text().splitlines()
    assert lines[0] == '"crossmoda_name","group","center","koos"'
    assert lines[1] == '"crossmoda2021_ldn_1","source","ldn",3'
    assert lines[2] == '"crossmoda2021_ldn_2","source","ldn","post-operative-london"'


def test_truth_of_the_target_is_in_the_reference_folder_alone(cohort):
    with (cohort / "crossmoda2022_reference/infos_reference.csv").open() as file:
        held_out = {row["crossmoda_name"]: row["koos"] for row in csv.DictReader(file)}
    assert held_out == {"crossmoda2021_ldn_4": "3", "crossmoda2021_ldn_5": "2"}
    training = (cohort / "crossmoda2022_training/infos_source_training.csv").read_text()
    for case in held_out:
        assert case not in training
        truths = [path.parent.name for path in cohort.rglob(f"{case}_*") if "hrT2" not in path.name]
        assert truths == ["crossmoda2022_reference"]


def test_labels_and_parcellation_share_the_grid_of_the_scan(cohort):
    folder = cohort / "crossmoda2022_training/training_source"
    scan = read_volume(folder / "crossmoda2021_ldn_1_ceT1.nii.gz", "ceT1")
    labels = read_labels(folder / "crossmoda2021_ldn_1_Label.nii.gz")
    regions = read_labels(
        cohort / "training_source_GIF/training_source_GIF/crossmoda2021_ldn_1_GIFoutput.nii.gz"
    )
    assert scan.grid == labels.grid == regions.grid
    assert set(np.unique(labels.voxels)) == {0, 1, 2}
    assert len(np.unique(regions.voxels)) - 1 >= 16


def test_same_seed_gives_the_same_bytes_in_any_order_and_number_of_processes(cohort, tmp_path):
    plan = plan_cohort(COARSE, source=3, target=1, test=1)[2]
    write_case(tmp_path, COARSE, plan, 1)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 3
    for path in written:
        assert path.read_bytes() == (cohort / path.relative_to(tmp_path)).read_bytes()


def test_paired_scans_show_the_source_subjects_in_the_other_modality(cohort, tmp_path):
    plan = plan_cohort(COARSE, source=3, target=1, test=1)[0]
    write_case(tmp_path, COARSE, plan, 1, paired=True)
    written = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    (paired,) = (path for path in written if not (cohort / path).exists())
    assert paired.as_posix() == "paired_reference/crossmoda2021_ldn_1_hrT2.nii.gz"
    for path in written - {paired}:
        assert (tmp_path / path).read_bytes() == (cohort / path).read_bytes()

    folder = tmp_path / "crossmoda2022_training/training_source"
    source = read_volume(folder / "crossmoda2021_ldn_1_ceT1.nii.gz", "ceT1")
    target = read_volume(tmp_path / paired, "hrT2")
    regions = read_labels(next(tmp_path.rglob("*_GIFoutput.nii.gz"))).voxels
    assert target.grid == source.grid
    fluid, white = regions == Structure.CISTERNS, regions == Structure.CEREBRAL_WHITE_MATTER
    assert np.median(target.voxels[fluid]) > 2 * np.median(target.voxels[white])
    assert np.median(source.voxels[fluid]) < np.median(source.voxels[white])
    inner = target.voxels[white]
    assert np.percentile(inner, 75) - np.percentile(inner, 25) < 0.01 * np.median(inner)  # no noise


def test_another_seed_gives_another_subject(cohort, tmp_path):
    plan = plan_cohort(COARSE, source=3, target=1, test=1)[3]
    write_case(tmp_path, COARSE, plan, 2)
    name = Path("crossmoda2022_training/training_target/crossmoda2021_ldn_4_hrT2.nii.gz")
    assert (tmp_path / name).read_bytes() != (cohort / name).read_bytes()


def test_the_demo_has_every_grade_in_every_split_at_both_centres():
    plans = plan_cohort(PRESETS["demo"], source=None, target=None, test=None)
    assert len({plan.case for plan in plans}) == len(plans) == 40
    for split in ("source", "target", "test"):
        part = [plan for plan in plans if plan.split == split]
        assert {plan.grade for plan in part} == {1, 2, 3, 4}
        assert {plan.centre for plan in part} == {"ldn", "etz"}
        assert not any(plan.operated for plan in part)
        assert {plan.grade for plan in part[:4]} == {1, 2, 3, 4}


def test_grades_are_about_as_frequent_as_in_crossmoda():
    plans = plan_cohort(PRESETS["full"], source=None, target=None, test=None)
    for split in ("source", "target", "test"):
        grades = [plan.grade for plan in plans if plan.split == split]
        shares = [grades.count(grade) / len(grades) for grade in (1, 2, 3, 4)]
        assert shares == pytest.approx([12 / 182, 51 / 182, 73 / 182, 46 / 182], abs=0.1)


def test_full_withholds_grades_of_operated_patients_of_london():
    plans = plan_cohort(PRESETS["full"], source=None, target=None, test=None)
    operated = [plan for plan in plans if plan.operated]
    assert 20 <= len(operated) <= 32
    assert {(plan.split, plan.centre) for plan in operated} == {("source", "ldn")}


@pytest.mark.parametrize("wrong", [{"preset": "huge"}, {"test": -1}])
def test_wrong_wishes_are_refused(tmp_path, wrong):
    with pytest.raises(ConfigError, match="phantom: expected"):
        write_phantom(tmp_path, **wrong)
