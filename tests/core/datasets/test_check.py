import zlib
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import PIL.Image
import pytest

from cmda_core.datasets import Dataset, Finding, check_dataset
from cmda_core.datasets.check import images
from cmda_core.schema import Case, Cohort, Task

SHAPE = (12, 10, 8)
AFFINE = np.diag([0.8, 0.8, 1.5, 1.0])


def write(path: Path, voxels: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nibabel.save(nibabel.Nifti1Image(voxels, affine), path)
    return path


def image(folder: Path, name: str, shape: tuple[int, ...] = SHAPE, affine: np.ndarray = AFFINE) -> Path:
    voxels = 1 + np.random.default_rng(zlib.crc32(name.encode())).permutation(int(np.prod(shape)))
    voxels = voxels.reshape(shape).astype(np.int16)
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
    cohorts = Cohort(name="source", cases=source), Cohort(name="target"), Cohort(name="test")
    dataset = Dataset(*cohorts, unpaired)
    return list(check_dataset(dataset, Task()).findings)


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

    findings = [one for one in check(*usual, odd, short) if one.kind in ("spacing", "field of view")]

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


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(500, 100, SHAPE)


def clipped() -> np.ndarray:
    return np.minimum(noise(), 600).astype(np.float32)


def mostly_zero() -> np.ndarray:
    voxels = np.zeros(SHAPE, np.float32)
    voxels[:, :, 0] = noise()[:, :, 0] * 0.5
    return voxels


@pytest.mark.parametrize(
    ("voxels", "message"),
    [
        (noise() - 520, "negative (down to -"),
        (clipped(), "have the highest intensity (600): it was clipped"),
        (mostly_zero(), "88% of the voxels are 0"),
        (good_labels(), "hardly any different intensities. Is it a label map?"),
    ],
    ids=["negative", "saturated", "zero", "label map"],
)
def test_intensity_problems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, voxels: np.ndarray, message: str
) -> None:
    monkeypatch.setattr(images, "MOSTLY", 0.8)
    case = source_case(tmp_path, "a", image=write(tmp_path / "odd.nii.gz", voxels.astype(np.float32)))

    assert message in " ".join(finding.message for finding in check(case) if finding.kind == "intensities")


def test_the_same_scan_twice_is_found_whatever_its_axes(tmp_path: Path) -> None:
    first = source_case(tmp_path, "a")
    turned = nibabel.load(first.image).as_reoriented(np.array([[2, -1], [0, 1], [1, 1]]))
    nibabel.save(turned, tmp_path / "copy.nii.gz")
    copy = Case(id="b", subject="b", modality="hrT2", image=tmp_path / "copy.nii.gz")
    source = Cohort(name="source", cases=(first,))

    in_test = check_dataset(
        Dataset(source, Cohort(name="target"), Cohort(name="test", cases=(copy,))), Task()
    )
    in_target = check_dataset(
        Dataset(source, Cohort(name="target", cases=(copy,)), Cohort(name="test")), Task()
    )

    for found, severity in ((in_test, "error"), (in_target, "warning")):
        (finding,) = [one for one in found.findings if one.kind == "duplicate"]
        assert finding.severity == severity
        assert "same intensities as a (source)" in finding.message


def test_a_subject_on_both_sides_of_the_split_is_an_error(tmp_path: Path) -> None:
    case = source_case(tmp_path, "a")
    other = Case(id="b", subject="a", modality="hrT2", image=image(tmp_path, "b"))
    dataset = Dataset(
        Cohort(name="source", cases=(case,)), Cohort(name="target"), Cohort(name="test", cases=(other,))
    )

    (finding,) = check_dataset(dataset, Task()).findings

    assert (finding.severity, finding.kind) == ("error", "leak")
    assert "subject a is in test and in source" in finding.message


def test_london_and_tcia_are_the_same_patients(tmp_path: Path) -> None:
    cases = source_case(tmp_path, "crossmoda2021_ldn_1"), source_case(tmp_path, "VS-SEG-001")

    assert "the same patients" in check(*cases)[0].message


def lying(folder: Path, affine: np.ndarray) -> Case:
    write(folder / "a_Label.nii.gz", good_labels(), affine)
    scan = image(folder, "a", affine=affine)
    return Case(id="a", subject="a", modality="ceT1", image=scan, labels=folder / "a_Label.nii.gz", grade=1)


def orientation_messages(case: Case) -> str:
    return " ".join(finding.message for finding in check(case) if finding.kind == "orientation")


def test_axes_that_are_not_at_right_angles(tmp_path: Path) -> None:
    skewed = AFFINE.copy()
    skewed[0, 1] = 0.8 * np.sin(np.deg2rad(2))
    found = orientation_messages(lying(tmp_path, skewed))

    assert "not at right angles (2.00° off)" in found


def test_sagittal_slices_along_the_first_axis(tmp_path: Path) -> None:
    affine = np.array([[1.5, 0, 0, 0], [0, 0, 0.8, 0], [0, 0.8, 0, 0], [0, 0, 0, 1.0]])
    found = orientation_messages(lying(tmp_path, affine))

    assert "stacked along the first axis" in found
    assert "slices are sagittal" in found


@pytest.mark.parametrize(
    ("codes", "message"), [((0, 0), "does not say how it lies"), ((1, 1), "differ by up to 4.00 mm")]
)
def test_headers_that_contradict_themselves(tmp_path: Path, codes: tuple[int, int], message: str) -> None:
    case = source_case(tmp_path, "a")
    scan = nibabel.load(case.image)
    moved = AFFINE.copy()
    moved[0, 3] = 4
    scan.set_qform(moved if codes[0] else None, codes[0])
    scan.set_sform(AFFINE if codes[1] else None, codes[1])
    nibabel.save(nibabel.Nifti1Image(np.asarray(scan.dataobj), None, scan.header), tmp_path / "b.nii.gz")

    assert message in orientation_messages(case.model_copy(update={"image": tmp_path / "b.nii.gz"}))


def test_labels_at_the_edge_and_outside_of_the_head(tmp_path: Path) -> None:
    voxels = noise().astype(np.float32)
    voxels[8, 8, 4] = 0
    labels = good_labels()
    labels[0, 3, 3] = 1

    found = check(source_case(tmp_path, "a", labels, image=write(tmp_path / "dark.nii.gz", voxels)))

    assert [finding.message.partition(".")[0] for finding in found] == [
        "vs reaches the edge of the scan and may be cut off",
        "100% of cochlea lie where the scan has no signal",
    ]


def test_scans_that_do_not_fill_the_region(tmp_path: Path) -> None:
    cohorts = Cohort(name="source", cases=(source_case(tmp_path, "a"),)), Cohort(name="target")
    dataset = Dataset(*cohorts, Cohort(name="test"))

    (finding,) = check_dataset(dataset, Task(), region_mm=(9, 8, 20)).findings

    assert "1 of 1 source scans are smaller than the region of 9 x 8 x 20 mm" in finding.message
    assert "a (10 x 8 x 12 mm)" in finding.message
    assert check_dataset(dataset, Task(), region_mm=(9, 8, 12)).findings == ()


def test_values_of_the_files_are_those_of_the_layout(tmp_path: Path) -> None:
    labels = good_labels()
    labels[labels == 2] = 3
    labels[2:4, 2:4, 2:4] = 2
    cohorts = Cohort(name="source", cases=(source_case(tmp_path, "a", labels),)), Cohort(name="target")
    dataset = Dataset(*cohorts, Cohort(name="test"), values={1: 1, 2: 1, 3: 2})

    result = check_dataset(dataset, Task())

    assert result.findings == ()
    assert result.scans["source"][0].volumes_mm3 == pytest.approx({"vs": 27 * 0.96, "cochlea": 0.96})
    (finding,) = check_dataset(replace(dataset, values={1: 1, 2: 2}), Task()).findings
    assert "has the values [3]; expected 1 vs, 2 cochlea" in finding.message


def test_contact_sheets_show_every_case(tmp_path: Path) -> None:
    cases = tuple(source_case(tmp_path, name) for name in "abc")
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"no scan")
    cases = (*cases, cases[0].model_copy(update={"id": "d", "image": broken}))
    dataset = Dataset(Cohort(name="source", cases=cases), Cohort(name="target"), Cohort(name="test"))

    result = check_dataset(dataset, Task(), pictures=tmp_path / "sheets")

    assert [path.name for path in result.pictures] == ["source-01.png"]
    assert PIL.Image.open(result.pictures[0]).size[0] > 4 * 200
