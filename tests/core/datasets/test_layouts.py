"""Datasets are recognised and read by the names of their files alone."""

from pathlib import Path

import pytest

from cmda_core.datasets import Dataset, read_dataset
from cmda_core.datasets.layouts import detect_layout, reference_values
from cmda_core.errors import ConfigError, DataError
from cmda_core.schema import DataConfig, Task


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def ids(dataset: Dataset) -> list[list[str]]:
    return [[case.id for case in cohort] for cohort in dataset.cohorts]


YEAR_2021 = (
    "crossmoda_training/source_training/crossmoda_1_ceT1.nii.gz",
    "crossmoda_training/source_training/crossmoda_1_Label.nii.gz",
    "crossmoda_training/target_training/crossmoda_106_hrT2.nii.gz",
    "target_validation/crossmoda_211_hrT2.nii.gz",
)
YEAR_2022 = (
    "a/crossmoda2021_ldn_1_ceT1.nii.gz",
    "a/crossmoda2021_ldn_1_Label.nii.gz",
    "a/crossmoda2022_etz_105_hrT2.nii.gz",
)
YEAR_2023 = (
    "crossmoda23_training/TrainingSource/crossmoda2023_ukm_7_ceT1.nii.gz",
    "crossmoda23_training/TrainingSource/crossmoda2023_ukm_7_Label.nii.gz",
    "crossmoda23_training/TrainingTarget/crossmoda2023_etz_3_T2.nii.gz",
    "crossmoda23_validation/crossmoda2023_ldn_9_T2.nii.gz",
)
YEAR = "crossmoda2021"
READ_2021 = [["crossmoda_1"], ["crossmoda_106"], ["crossmoda_211"]]
BIDS = (
    "sub-01/ses-1/anat/sub-01_ses-1_ce-gad_T1w.nii.gz",
    "derivatives/x/sub-01/ses-1/anat/sub-01_ses-1_ce-gad_desc-manual_dseg.nii.gz",
    "sub-02/anat/sub-02_T2w.nii.gz",
)


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        (YEAR_2021, "crossmoda2021"),
        (YEAR_2022, "crossmoda2022"),
        (YEAR_2023, "crossmoda2023"),
        (BIDS, "bids"),
        (("x/any_1_ceT1.nii.gz", "x/any_2_hrT2.nii.gz"), "crossmoda2022"),
        ((*YEAR_2022, "manifest.csv"), "csv"),
        (
            (*YEAR_2021, "reference/crossmoda2023_ldn_1_Label.nii.gz", ".trash/sub-1/anat/sub-1_T2w.nii"),
            "crossmoda2021",
        ),
    ],
    ids=["2021", "2022", "2023", "bids", "own names", "csv", "held out and hidden"],
)
def test_a_layout_is_recognised(tmp_path: Path, names: tuple[str, ...], layout: str) -> None:
    assert detect_layout(touch(tmp_path, *names)) == layout


def test_several_layouts_are_named(tmp_path: Path) -> None:
    touch(tmp_path, *YEAR_2021, *YEAR_2022)

    with pytest.raises(
        DataError, match=r"several layouts fit: crossmoda2021 \(4 files\), crossmoda2022 \(3 files\)"
    ):
        detect_layout(tmp_path)


def test_dicom_files_are_to_be_converted(tmp_path: Path) -> None:
    touch(tmp_path, "VS-SEG-001/1-1.dcm")

    with pytest.raises(DataError, match=r"holds 1 DICOM files. Convert them once with 'cmda data convert"):
        detect_layout(tmp_path)


def test_nothing_known_says_what_is(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")

    with pytest.raises(DataError, match=r"no layout fits. Expected the files of crossMoDA"):
        detect_layout(tmp_path)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (YEAR_2021, [["crossmoda_1"], ["crossmoda_106"], ["crossmoda_211"]]),
        (
            tuple(Path(name).name for name in YEAR_2021),
            [["crossmoda_1"], ["crossmoda_106"], ["crossmoda_211"]],
        ),
        (YEAR_2023, [["crossmoda2023_ukm_7"], ["crossmoda2023_etz_3"], ["crossmoda2023_ldn_9"]]),
    ],
    ids=["2021", "2021 unpacked flat", "2023"],
)
def test_years_are_read(tmp_path: Path, names: tuple[str, ...], expected: list[list[str]]) -> None:
    dataset = read_dataset(DataConfig(root=touch(tmp_path, *names)))

    assert ids(dataset) == expected
    assert {case.modality for case in dataset.target} == {"hrT2"}


def test_2023_unpacked_flat_does_not_tell_training_from_validation(tmp_path: Path) -> None:
    touch(tmp_path, *(Path(name).name for name in YEAR_2023))

    with pytest.raises(DataError, match="for training or for testing"):
        read_dataset(DataConfig(root=tmp_path))


@pytest.mark.parametrize(
    ("structures", "tumour", "values"),
    [
        ({"vs": 1, "cochlea": 2}, "vs", {1: 1, 2: 1, 3: 2}),
        (
            {"vs-extrameatal": 1, "vs-intrameatal": 2, "cochlea": 3},
            "vs-intrameatal",
            {1: 1, 2: 2, 3: 3},
        ),
        ({"cochlea": 1}, "cochlea", {1: 0, 2: 0, 3: 1}),
    ],
)
def test_the_task_says_what_becomes_of_the_labels_of_2023(
    tmp_path: Path, structures: dict[str, int], tumour: str, values: dict[int, int]
) -> None:
    task = Task(structures=structures, tumour=tumour)

    assert read_dataset(DataConfig(root=touch(tmp_path, *YEAR_2023)), task).values == values


@pytest.mark.parametrize(
    ("structures", "message"),
    [
        ({"vs": 1, "modiolus": 2}, "the label files have no 'modiolus'; they have vs-extrameatal"),
        ({"vs": 1, "vs-intrameatal": 2}, "'vs' and 'vs-intrameatal' share the value 2"),
    ],
)
def test_structures_that_the_files_do_not_have(
    tmp_path: Path, structures: dict[str, int], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        read_dataset(DataConfig(root=touch(tmp_path, *YEAR_2023)), Task(structures=structures))


def test_values_can_be_given(tmp_path: Path) -> None:
    config = DataConfig.model_validate(
        {"root": touch(tmp_path, *BIDS), "labels": {"vs": [4, 7], "cochlea": 2}}
    )

    assert read_dataset(config).values == {4: 1, 7: 1, 2: 2}


def test_the_year_in_the_names_of_references_tells_their_values(tmp_path: Path) -> None:
    touch(tmp_path, "crossmoda2023_ldn_1_Label.nii.gz")

    assert reference_values(DataConfig(), Task(), tmp_path) == {1: 1, 2: 1, 3: 2}
    assert reference_values(DataConfig(layout="crossmoda2022"), Task(), tmp_path) == {1: 1, 2: 2}
    assert reference_values(DataConfig(), Task(), touch(tmp_path / "own", "x_Label.nii.gz")) is None


def test_a_task_of_other_modalities_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="crossmoda_1: is ceT1, but source scans of this task are CT"):
        read_dataset(DataConfig(root=touch(tmp_path, *YEAR_2021)), Task(source="CT", target="hrT2"))


def test_bids_folders_are_read(tmp_path: Path) -> None:
    touch(tmp_path, *BIDS, "sub-03/anat/sub-03_T2w.nii.gz", "sub-03/anat/sub-03_ce-gad_T1w.nii.gz")
    touch(tmp_path, "derivatives/x/sub-01/ses-1/anat/sub-01_ses-1_ce-gad_atlas-gif_dseg.nii.gz")
    table = "participant_id\tsplit\tkoos\tsite\nsub-01\tsource\t3\tldn\nsub-03\ttest\t2\tetz\n"
    (tmp_path / "participants.tsv").write_text(table)

    dataset = read_dataset(DataConfig(root=tmp_path))

    assert ids(dataset) == [["sub-01_ses-1_ce-gad_T1w"], ["sub-02_T2w"], ["sub-03_T2w"]]
    (case,) = dataset.source
    assert (case.subject, case.grade, case.centre) == ("sub-01", 3, "ldn")
    assert case.labels is not None
    assert case.labels.name.endswith("desc-manual_dseg.nii.gz")
    assert case.parcellation is not None
    assert [case.grade for case in dataset.test] == [None]


def test_bids_scans_of_other_modalities_are_found_by_pattern(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "sub-1/anat/sub-1_acq-tse_PDw.nii.gz",
        "derivatives/x/sub-1/anat/sub-1_acq-tse_dseg.nii.gz",
        "sub-2/anat/sub-2_FLAIR.nii.gz",
    )
    task = Task(source="PD", target="FLAIR", structures={"lesion": 1}, tumour="lesion")

    dataset = read_dataset(DataConfig(root=tmp_path, scans={"PD": "*_acq-tse_PDw"}), task)

    assert ids(dataset) == [["sub-1_acq-tse_PDw"], ["sub-2_FLAIR"], []]


def test_unlabelled_bids_scans_are_named(tmp_path: Path) -> None:
    touch(tmp_path, *BIDS, "sub-05/anat/sub-05_ce-gad_T1w.nii.gz")

    (path,) = read_dataset(DataConfig(root=tmp_path)).unpaired
    assert path.name == "sub-05_ce-gad_T1w.nii.gz"
