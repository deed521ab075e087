from pathlib import Path

import pytest

from cmda_core.datasets import read_crossmoda2022, read_dataset
from cmda_core.datasets.grades import read_grades
from cmda_core.errors import DataError
from cmda_core.schema import DataConfig

SOURCE = "crossmoda2022_training/training_source"
TARGET = "crossmoda2022_training/training_target"
VALIDATION = "crossmoda2022_validation/validation"


def touch(root: Path, *names: str) -> None:
    """The reader opens no image, so empty files will do."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    touch(
        tmp_path,
        f"{SOURCE}/crossmoda2021_ldn_10_ceT1.nii.gz",
        f"{SOURCE}/crossmoda2021_ldn_10_Label.nii.gz",
        f"{SOURCE}/crossmoda2021_ldn_2_ceT1.nii.gz",
        f"{SOURCE}/crossmoda2021_ldn_2_Label.nii.gz",
        f"{SOURCE}/crossmoda2022_etz_0_ceT1.nii.gz",
        f"{SOURCE}/crossmoda2022_etz_0_Label.nii.gz",
        "training_source_GIF/training_source_GIF/crossmoda2021_ldn_2_GIFoutput.nii.gz",
        f"{TARGET}/crossmoda2021_ldn_106_hrT2.nii.gz",
        f"{VALIDATION}/crossmoda2021_ldn_211_hrT2.nii.gz",
    )
    (tmp_path / "crossmoda2022_training" / "infos_source_training.csv").write_text(
        '"crossmoda_name","group","center","koos"\n'
        '"crossmoda2021_ldn_2","training_source","ldn",3\n'
        '"crossmoda2021_ldn_10","training_source","ldn","post-operative-london"\n'
        '"crossmoda2022_etz_0","training_source","etz",1'
    )
    return tmp_path


def test_finds_the_three_cohorts_in_natural_order(root: Path) -> None:
    dataset = read_dataset(DataConfig(root=root))

    assert [case.id for case in dataset.source] == [
        "crossmoda2021_ldn_2",
        "crossmoda2021_ldn_10",
        "crossmoda2022_etz_0",
    ]
    assert [case.id for case in dataset.target] == ["crossmoda2021_ldn_106"]
    assert [case.id for case in dataset.test] == ["crossmoda2021_ldn_211"]


def test_source_cases_have_all_that_is_known_of_them(root: Path) -> None:
    case = read_crossmoda2022(root).source["crossmoda2021_ldn_2"]

    assert (case.subject, case.modality, case.grade, case.centre) == (case.id, "ceT1", 3, "ldn")
    assert case.labels is not None
    assert case.labels.name == "crossmoda2021_ldn_2_Label.nii.gz"
    assert case.parcellation is not None
    assert read_crossmoda2022(root).source["crossmoda2021_ldn_10"].grade is None


def test_held_out_labels_and_grades_never_enter_a_cohort(root: Path) -> None:
    touch(
        root,
        "crossmoda2022_reference/crossmoda2021_ldn_106_Label.nii.gz",
        "crossmoda2022_reference/crossmoda2021_ldn_211_Label.nii.gz",
        f"{VALIDATION}/crossmoda2021_ldn_211_Label.nii.gz",
    )
    table = '"crossmoda_name","koos"\n"crossmoda2021_ldn_211",2\n"crossmoda2021_ldn_106",4\n'
    (root / "crossmoda2022_reference" / "infos_reference.csv").write_text(table)
    (root / VALIDATION / "infos_validation.csv").write_text(table)

    dataset = read_crossmoda2022(root)

    for case in [*dataset.target, *dataset.test]:
        assert (case.labels, case.parcellation, case.grade) == (None, None, None)
    assert dataset.unpaired == ()


@pytest.mark.parametrize("nesting", ["", "a/b/crossmoda data ü/"])
def test_hrt2_scans_unpacked_flat_are_told_apart_by_number(tmp_path: Path, nesting: str) -> None:
    touch(
        tmp_path,
        f"{nesting}crossmoda2021_ldn_1_ceT1.nii.gz",
        f"{nesting}crossmoda2021_ldn_1_Label.nii.gz",
        f"{nesting}crossmoda2021_ldn_210_hrT2.nii.gz",
        f"{nesting}crossmoda2021_ldn_211_hrT2.nii.gz",
        f"{nesting}crossmoda2022_etz_209_hrT2.nii.gz",
        f"{nesting}crossmoda2022_etz_210_hrT2.nii.gz",
        f"{nesting}._crossmoda2021_ldn_1_ceT1.nii.gz",
    )

    dataset = read_crossmoda2022(tmp_path)

    assert [case.id for case in dataset.target] == ["crossmoda2021_ldn_210", "crossmoda2022_etz_209"]
    assert [case.id for case in dataset.test] == ["crossmoda2021_ldn_211", "crossmoda2022_etz_210"]


def test_files_without_a_partner_are_named(root: Path) -> None:
    touch(root, f"{SOURCE}/crossmoda2021_ldn_3_ceT1.nii.gz", f"{SOURCE}/crossmoda2021_ldn_4_Label.nii.gz")

    dataset = read_crossmoda2022(root)

    assert [path.name for path in dataset.unpaired] == [
        "crossmoda2021_ldn_3_ceT1.nii.gz",
        "crossmoda2021_ldn_4_Label.nii.gz",
    ]
    assert len(dataset.source) == 3


def test_two_files_of_one_case_are_refused(root: Path) -> None:
    touch(root, "copy/crossmoda2021_ldn_2_ceT1.nii.gz")

    with pytest.raises(DataError, match=r"crossmoda2021_ldn_2: found .* Keep one"):
        read_crossmoda2022(root)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        read_crossmoda2022(tmp_path / "absent")


def test_an_empty_folder_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"<id>_ceT1\.nii\.gz with <id>_Label"):
        read_crossmoda2022(tmp_path)


def test_a_dataset_without_target_scans_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a/x_1_ceT1.nii.gz", "a/x_1_Label.nii.gz")

    with pytest.raises(DataError, match="<id>_hrT2"):
        read_crossmoda2022(tmp_path)


def test_an_hrt2_scan_of_unknown_purpose_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a/x_1_hrT2.nii.gz")

    with pytest.raises(DataError, match="for training or for testing"):
        read_crossmoda2022(tmp_path)


def test_grades_are_read_by_column_name_whatever_the_dialect(tmp_path: Path) -> None:
    path = tmp_path / "infos_source_training.csv"
    rows = [
        "koos, crossmoda_name",
        "1,a",
        "4.0,b",
        "-1,c",
        "null,d",
        ",e",
        "NaN,f",
        '"post-operative-london",g',
        '"2","h"',
    ]
    path.write_bytes("\r\n".join(rows).encode("utf-8-sig"))

    assert read_grades(path) == {"a": 1, "b": 4, "h": 2}


def test_a_table_without_its_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "infos.csv"
    path.write_text("name,grade\na,1\n")

    with pytest.raises(DataError, match="expected the columns crossmoda_name, koos, got name, grade"):
        read_grades(path)


def test_contradicting_grades_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "infos.csv"
    path.write_text("crossmoda_name,koos\na,1\na,2\n")

    with pytest.raises(DataError, match="case a has the grades 1 and 2"):
        read_grades(path)
