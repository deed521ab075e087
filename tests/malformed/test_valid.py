"""Odd, but right: what may not be refused, and must be read as it is meant."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from cmda_core.datasets.grades import parse_grade
from cmda_core.errors import DataError
from cmda_core.tables import read_rows
from cmda_core.volumes import read_labels, read_volume

from .labels import truth
from .volumes import INTENSITIES, patch, scan

WHOLE = np.rint(INTENSITIES)
TYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", TYPES)
def test_intensities_of_every_type(dtype: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"scan{ending}"
    voxels = (WHOLE / 8).round().astype(dtype)
    scan(path, voxels)
    read = read_volume(path, "hrT2")
    assert read.voxels.dtype == np.float32
    np.testing.assert_array_equal(read.voxels, voxels.astype(np.float32))


@pytest.mark.parametrize("dtype", TYPES)
def test_labels_of_every_type(dtype: str, tmp_path: Path) -> None:
    scan(tmp_path / "a.nii.gz", truth().astype(dtype))
    np.testing.assert_array_equal(read_labels(tmp_path / "a.nii.gz").voxels, truth())


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_both_standards_in_both_byte_orders(kind: Any, order: str, tmp_path: Path) -> None:
    image = kind(WHOLE.astype(f"{order}i2"), np.diag([-0.4, 0.5, 1.5, 1]))
    swapped = kind(image.dataobj, image.affine, image.header.as_byteswapped(order))
    nibabel.save(swapped, tmp_path / "scan.nii.gz")
    read = read_volume(tmp_path / "scan.nii.gz", "hrT2")
    np.testing.assert_array_equal(read.voxels, WHOLE)
    np.testing.assert_allclose(np.diag(read.affine), [-0.4, 0.5, 1.5, 1], rtol=1e-6)


@pytest.mark.parametrize(("slope", "inter"), [(2.0, -10.0), (0.25, 0.0), (-1.0, 5.0)])
def test_scaled_intensities(slope: float, inter: float, tmp_path: Path) -> None:
    scan(tmp_path / "scan.nii", WHOLE.astype(np.int16), scl_slope=slope, scl_inter=inter)
    np.testing.assert_allclose(read_volume(tmp_path / "scan.nii", "a").voxels, WHOLE * slope + inter)


@pytest.mark.parametrize(("slope", "inter"), [(0.0, 7.0), (np.nan, np.nan), (1.0, 0.0)])
def test_intensities_without_scale(slope: float, inter: float, tmp_path: Path) -> None:
    scan(tmp_path / "scan.nii.gz", WHOLE.astype(np.int16), scl_slope=slope, scl_inter=inter)
    np.testing.assert_array_equal(read_volume(tmp_path / "scan.nii.gz", "a").voxels, WHOLE)


def test_gzip_members_one_after_the_other(tmp_path: Path) -> None:
    scan(tmp_path / "scan.nii")
    content = (tmp_path / "scan.nii").read_bytes()
    (tmp_path / "scan.nii.gz").write_bytes(
        b"".join(gzip.compress(content[n : n + 500]) for n in range(0, len(content), 500))
    )
    np.testing.assert_array_equal(read_volume(tmp_path / "scan.nii.gz", "a").voxels, INTENSITIES)


def test_a_wrong_checksum_is_seen(tmp_path: Path) -> None:
    scan(tmp_path / "scan.nii.gz")
    content = bytearray((tmp_path / "scan.nii.gz").read_bytes())
    content[-6] ^= 1
    (tmp_path / "scan.nii.gz").write_bytes(content)
    with pytest.raises(DataError, match="damaged or incomplete"):
        read_volume(tmp_path / "scan.nii.gz", "a")


def test_sheared_and_oblique_directions_are_kept(tmp_path: Path) -> None:
    affine = np.array([[0.5, 0.1, 0, -7], [0.05, -0.6, 0.2, 3], [0, 0.1, 1.5, 1], [0, 0, 0, 1]])
    scan(tmp_path / "scan.nii", affine=affine)
    np.testing.assert_allclose(read_volume(tmp_path / "scan.nii", "a").affine, affine, atol=1e-6)


def test_a_place_by_qform_alone_and_no_place_at_all(tmp_path: Path) -> None:
    scan(tmp_path / "q.nii", affine=np.diag([-0.5, 0.5, 2, 1]), sform_code=0)
    np.testing.assert_allclose(read_volume(tmp_path / "q.nii", "a").spacing, (0.5, 0.5, 2))
    scan(tmp_path / "none.nii", affine=np.diag([-0.5, 0.5, 2, 1]), sform_code=0, qform_code=0)
    np.testing.assert_allclose(read_volume(tmp_path / "none.nii", "a").spacing, (0.5, 0.5, 2))


def test_an_sform_is_read_beside_a_spacing_that_is_none(tmp_path: Path) -> None:
    scan(tmp_path / "scan.nii", affine=np.diag([0.5, 0.5, 2, 1]))
    patch(tmp_path / "scan.nii", pixdim=np.zeros(8), qform_code=0)
    np.testing.assert_allclose(read_volume(tmp_path / "scan.nii", "a").spacing, (0.5, 0.5, 2))


@pytest.mark.parametrize("shape", [(1, 10, 6), (12, 10, 1), (1, 1, 1)])
def test_thin_scans(shape: tuple[int, int, int], tmp_path: Path) -> None:
    scan(tmp_path / "scan.nii.gz", np.ones(shape, np.float32))
    assert read_volume(tmp_path / "scan.nii.gz", "a").voxels.shape == shape


@pytest.mark.parametrize(
    "text", ["", "-1", "nan", "NaN", "null", "post-operative-london", "n/a", "-1.0", "none"]
)
def test_words_for_no_grade(text: str) -> None:
    assert parse_grade(text, "here") is None


@pytest.mark.parametrize(("text", "grade"), [("1", 1), (" 4 ", 4), ("2.0", 2)])
def test_grades(text: str, grade: int) -> None:
    assert parse_grade(text, "here") == grade


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n",
        "\ufeffa,b\r\n1,2\r\n",
        'a, "b"\n1, 2',
        "b,a\n2,1\n",
        "a,b\n\n1,2\n\n,\n",
        "a,b,,\n1,2,,\n",
        "a,b\n1,2,,,\n",
        "a,b\r1,2\r",
    ],
)
def test_tables_as_people_have_them(text: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode())
    assert read_rows(path, ("a", "b")) == [{"a": "1", "b": "2"}]
