from pathlib import Path

import nibabel
import numpy as np
import pytest

from cmda_core.datasets import Dataset, Finding, check_dataset
from cmda_core.schema import Case, Cohort, Task

SHAPE = (12, 10, 8)
AFFINE = np.diag([0.8, 0.8, 1.5, 1.0])


def write(path: Path, voxels: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nibabel.save(nibabel.Nifti1Image(voxels, affine), path)
    return path


def image(folder: Path, name: str, shape: tuple[int, ...] = SHAPE, affine: np.ndarray = AFFINE) -> Path:
    voxels = np.random.default_rng(0).integers(0, 900, shape).astype(np.int16)
    return write(folder / f"{name}_ceT1.nii.gz", voxels, affine)


def good_labels() -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:5, 2:5, 2:5], labels[8, 8, 4] = 1, 2
    return labels


def source_case(folder: Path, name: str, labels: np.ndarray | None = None, **given: object) -> Case:
    path = write(folder / f"{name}_Label.nii.gz", good_labels() if labels is None else labels)
    known = {"image": image(folder, name), "labels": path, "grade": 2} | given
    return Case(id=name, subject=name, modality="ceT1", **known)


def check(*source: Case, unpaired: tuple[Path, ...] = ()) -> list[Finding]:
    empty = Cohort(name="target")
    return check_dataset(Dataset(Cohort(name="source", cases=source), empty, empty, unpaired), Task())


def test_a_sound_dataset_has_no_findings(tmp_path: Path) -> None:
    assert check(source_case(tmp_path, "a"), source_case(tmp_path, "b")) == []


def test_a_truncated_scan_is_an_error(tmp_path: Path) -> None:
    case = source_case(tmp_path, "a")
    packed = case.image.read_bytes()
    case.image.write_bytes(packed[: len(packed) * 3 // 4])

    (finding,) = check(case)

    assert (finding.case, finding.severity, finding.file) == ("a", "error", case.image)
    assert "damaged or incomplete" in finding.message


@pytest.mark.parametrize(
    ("shape", "message"), [((12, 10), "three-dimensional"), ((12, 10, 8, 2), "three-dimensional")]
)
def test_two_and_four_dimensions_are_errors(tmp_path: Path, shape: tuple[int, ...], message: str) -> None:
    (finding,) = check(source_case(tmp_path, "a", image=image(tmp_path, "flat", shape)))

    assert finding.severity == "error"
    assert message in finding.message


def test_nan_and_constant_scans_are_errors(tmp_path: Path) -> None:
    holes = np.zeros(SHAPE, np.float32)
    holes[0, 0, 0] = np.nan
    first = source_case(tmp_path, "a", image=write(tmp_path / "nan.nii.gz", holes))
    second = source_case(tmp_path, "b", image=write(tmp_path / "flat.nii.gz", np.ones(SHAPE, np.float32)))

    messages = [finding.message for finding in check(first, second)]

    assert "NaN" in messages[0]
    assert "same intensity" in messages[1]


def test_labels_elsewhere_say_by_how_many_mm(tmp_path: Path) -> None:
    moved = AFFINE.copy()
    moved[0, 3] = 3.0

    (finding,) = check(source_case(tmp_path, "a", image=image(tmp_path, "moved", affine=moved)))

    assert finding.severity == "error"
    assert "3.00 mm away" in finding.message


def test_unknown_empty_and_partial_labels(tmp_path: Path) -> None:
    unknown, partial = good_labels(), good_labels()
    unknown[0, 0, 0] = 7
    partial[partial == 2] = 0
    cases = (
        source_case(tmp_path, "a", unknown),
        source_case(tmp_path, "b", np.zeros(SHAPE, np.uint8)),
        source_case(tmp_path, "c", partial),
    )

    findings = check(*cases)

    assert [(finding.case, finding.severity) for finding in findings] == [
        ("a", "error"),
        ("b", "error"),
        ("c", "warning"),
    ]
    assert "[7]" in findings[0].message
    assert "no label at all" in findings[1].message
    assert "no cochlea" in findings[2].message


def test_labels_stored_as_floats_are_reported_once(tmp_path: Path) -> None:
    nearly = good_labels().astype(np.float64)
    nearly[nearly == 1] = 0.99999999977

    (finding,) = check(source_case(tmp_path, "a", nearly), source_case(tmp_path, "b", nearly))

    assert finding.severity == "warning"
    assert finding.message.startswith("2 label maps are stored as floating-point numbers (a, b)")


def test_ungraded_cases_are_counted(tmp_path: Path) -> None:
    (finding,) = check(source_case(tmp_path, "a", grade=None), source_case(tmp_path, "b"))

    assert finding.severity == "warning"
    assert "1 of 2 source cases have no Koos grade (a)" in finding.message


def test_unusual_spacing_and_few_slices_are_warnings(tmp_path: Path) -> None:
    usual = [source_case(tmp_path, name) for name in "abc"]
    thick = np.diag([0.8, 0.8, 6.0, 1.0])
    odd = Case(id="d", subject="d", modality="ceT1", image=image(tmp_path, "d", affine=thick), grade=1)
    short = Case(id="e", subject="e", modality="ceT1", image=image(tmp_path, "e", (12, 10, 3)), grade=1)

    findings = check(*usual, odd, short)

    assert [(finding.case, finding.severity) for finding in findings] == [("d", "warning"), ("e", "warning")]
    assert "usual in this cohort: 0.8 x 0.8 x 1.5 mm" in findings[0].message
    assert "slices cover 4 mm; usual in this cohort: 12 mm" in findings[1].message


def test_files_without_partner(tmp_path: Path) -> None:
    unpaired = (Path("x_1_ceT1.nii.gz"), Path("x_2_Label.nii.gz"))

    findings = check(source_case(tmp_path, "a"), unpaired=unpaired)

    assert [finding.severity for finding in findings] == ["error", "warning"]
    assert "label map is missing" in findings[0].message


def test_parallel_check_finds_the_same(tmp_path: Path) -> None:
    cases = (source_case(tmp_path, "a", np.zeros(SHAPE, np.uint8)), source_case(tmp_path, "b"))
    cohort = Cohort(name="source", cases=cases)
    dataset = Dataset(cohort, Cohort(name="target"), Cohort(name="test"))

    assert check_dataset(dataset, Task(), jobs=2) == check_dataset(dataset, Task())
