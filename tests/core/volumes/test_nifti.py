from pathlib import Path

import nibabel
import numpy as np
import pytest

from cmda_core.errors import DataError, GeometryError, OutputError
from cmda_core.volumes import (
    Grid,
    LabelVolume,
    Volume,
    open_slices,
    read_grid,
    read_labels,
    read_volume,
    require_same_grid,
    write_volume,
)
from cmda_core.volumes.nifti import INTENSITY_STEP, stored_as_float

SHAPE = (9, 7, 5)


def oblique_affine() -> np.ndarray:
    """Anisotropic, flipped along J, turned about two axes."""
    a, b = np.deg2rad(20), np.deg2rad(-11)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_x @ np.diag([0.5, -0.8, 1.5])
    affine[:3, 3] = [-30.5, 12.25, 7.125]
    return affine


def scan(low: float = -1, high: float = 1) -> Volume:
    voxels = np.random.default_rng(0).uniform(low, high, SHAPE).astype(np.float32)
    return Volume(voxels, oblique_affine(), "hrT2", "case")


def save(path: Path, voxels: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nibabel.save(nibabel.Nifti1Image(voxels, oblique_affine() if affine is None else affine), path)
    return path


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "Ordner mit Leerzeichen/Schädel – 日本.nii.gz"])
def test_a_scan_comes_back_from_its_file(tmp_path: Path, name: str) -> None:
    written = scan(-5, 3000)
    write_volume(tmp_path / name, written)

    read = read_volume(tmp_path / name, "hrT2")

    np.testing.assert_array_equal(read.voxels, written.voxels)
    np.testing.assert_allclose(read.affine, written.affine, atol=1e-5)
    assert read.case == Path(name).name.removesuffix(".gz").removesuffix(".nii")
    assert read_grid(tmp_path / name) == read.grid


def test_intensities_in_steps_lose_half_a_step_at_most(tmp_path: Path) -> None:
    written = scan()
    write_volume(tmp_path / "scan.nii", written, step=INTENSITY_STEP)

    read = read_volume(tmp_path / "scan.nii", "hrT2")

    assert np.abs(read.voxels - written.voxels).max() <= INTENSITY_STEP / 2 + 1e-7


def test_slices_are_those_of_the_volume(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii"
    write_volume(path, scan(), step=INTENSITY_STEP)
    whole = read_volume(path, "hrT2").voxels

    stack, factor = open_slices(path)

    assert stack.shape == SHAPE[::-1]
    for k in range(SHAPE[2]):
        np.testing.assert_allclose(stack[k] * factor, whole[:, :, k].T, atol=1e-6)


def test_slices_of_a_compressed_file_are_refused(tmp_path: Path) -> None:
    write_volume(tmp_path / "scan.nii.gz", scan())

    with pytest.raises(DataError, match=r"uncompressed \.nii"):
        open_slices(tmp_path / "scan.nii.gz")


def test_labels_come_back_as_uint8(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 209, SHAPE).astype(np.uint8)
    write_volume(tmp_path / "labels.nii.gz", LabelVolume(labels, oblique_affine(), "case"))

    read = read_labels(tmp_path / "labels.nii.gz")

    assert read.voxels.dtype == np.uint8
    np.testing.assert_array_equal(read.voxels, labels)


def test_labels_stored_as_floats_are_rounded_and_not_cut(tmp_path: Path) -> None:
    stored = np.zeros(SHAPE, np.float64)
    stored[2:4, 2:4, 2:4], stored[6, 6, 4] = 0.99999999977, 2
    path = save(tmp_path / "labels.nii.gz", stored)

    read = read_labels(path)

    assert np.count_nonzero(read.voxels == 1) == 8
    assert read.voxels[6, 6, 4] == 2
    assert stored_as_float(path)


def test_whole_numbers_are_not_stored_as_floats(tmp_path: Path) -> None:
    assert not stored_as_float(save(tmp_path / "labels.nii.gz", np.zeros(SHAPE, np.uint8)))


@pytest.mark.parametrize(
    ("value", "message"),
    [(0.4, "0.400 away from one"), (-1, "0 to 255"), (900, "0 to 255"), (np.nan, "0 to 255")],
)
def test_values_that_are_no_labels_are_refused(tmp_path: Path, value: float, message: str) -> None:
    stored = np.zeros(SHAPE, np.float32)
    stored[0, 0, 0] = value

    with pytest.raises(DataError, match=message):
        read_labels(save(tmp_path / "labels.nii.gz", stored))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scans_with_values_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    voxels = np.zeros(SHAPE, np.float32)
    voxels[0, 0, :2] = value

    with pytest.raises(DataError, match="2 voxels are NaN or infinite"):
        read_volume(save(tmp_path / "scan.nii.gz", voxels), "ceT1")


@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 5, 2)])
def test_only_three_dimensions_are_read(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = save(tmp_path / "scan.nii.gz", np.zeros(shape, np.float32))

    for read in (read_labels, read_grid, lambda file: read_volume(file, "ceT1")):
        with pytest.raises(GeometryError, match="three-dimensional"):
            read(path)


def test_a_truncated_file_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii.gz"
    write_volume(path, scan())
    packed = path.read_bytes()
    path.write_bytes(packed[: len(packed) // 2])

    with pytest.raises(DataError, match=r"scan\.nii\.gz"):
        read_volume(path, "ceT1")


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\x1f\x8b"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(content)

    with pytest.raises(DataError, match=r"not a (readable )?NIfTI file|an empty file"):
        read_volume(path, "ceT1")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.nii: no such file"):
        read_volume(tmp_path / "absent.nii", "ceT1")


def test_an_affine_without_extent_is_refused(tmp_path: Path) -> None:
    flat = np.diag([1.0, 1.0, 0.0, 1.0])
    image = nibabel.Nifti1Image(np.zeros(SHAPE, np.float32), None)
    image.header["sform_code"] = 1
    image.header["srow_x"], image.header["srow_y"], image.header["srow_z"] = flat[:3]
    nibabel.save(image, tmp_path / "scan.nii")

    with pytest.raises(GeometryError, match=r"scan\.nii"):
        read_volume(tmp_path / "scan.nii", "ceT1")


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(OutputError, match="cannot be written"):
        write_volume(tmp_path / "file" / "scan.nii", scan())
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize(("shift", "accepted"), [(0.02, True), (0.2, False)])
def test_grids_are_compared_in_millimetres(shift: float, accepted: bool) -> None:
    first = scan().grid
    moved = oblique_affine()
    moved[2, 3] += shift
    second = Grid.model_validate({"shape": SHAPE, "affine": moved})

    if accepted:
        require_same_grid(first, second, ("scan", "labels"))
    else:
        with pytest.raises(GeometryError, match=r"labels: lies up to 0\.20 mm away from scan"):
            require_same_grid(first, second, ("scan", "labels"))


def test_grids_of_other_size_are_refused() -> None:
    first = scan().grid
    second = first.model_copy(update={"shape": (9, 7, 6)})

    with pytest.raises(GeometryError, match="9 x 7 x 6 voxels, but scan has 9 x 7 x 5"):
        require_same_grid(first, second, ("scan", "labels"))
