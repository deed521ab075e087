"""Contours against known shapes, series against SimpleITK's reader, the conversion against the phantom."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from cmda_core.datasets import read_dataset
from cmda_core.datasets.dicom import convert_dicom
from cmda_core.datasets.dicom.contours import SYNONYMS, fill, structure_of
from cmda_core.datasets.dicom.series import read_series
from cmda_core.datasets.phantom.dataset import plan_cohort, scan_subject
from cmda_core.datasets.phantom.layouts import writer
from cmda_core.datasets.phantom.plan import Plan, Scanned
from cmda_core.errors import DataError, GeometryError
from cmda_core.schema import DataConfig, Task
from cmda_core.volumes import Grid, read_labels, read_volume
from cmda_core.volumes.geometry import to_mm


def grid() -> Grid:
    """Oblique, anisotropic, flipped."""
    turn = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1]]) @ np.array(
        [[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-0.4, 0.5, 1.5])
    affine[:3, 3] = [30, -20, 11]
    return Grid.model_validate({"shape": (60, 50, 8), "affine": affine})


def circle(centre: tuple[float, float], radius: float, k: float) -> np.ndarray:
    """A circle in voxels of slice ``k``, as a contour in mm."""
    turn = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    index = np.stack(
        [centre[0] + radius * np.cos(turn), centre[1] + radius * np.sin(turn), np.full(400, k)], axis=-1
    )
    return to_mm(grid().matrix, index)


def disc(centre: tuple[float, float], radius: float) -> np.ndarray:
    i, j = np.ogrid[:60, :50]
    return np.asarray((i - centre[0]) ** 2 + (j - centre[1]) ** 2 < radius**2)


def test_a_circle_is_filled_to_the_voxel() -> None:
    mask = fill([circle((30.3, 20.6), 9.45, 3)], grid())

    np.testing.assert_array_equal(mask[:, :, 3], disc((30.3, 20.6), 9.45))
    assert not mask[:, :, [0, 1, 2, 4, 5, 6, 7]].any()


def test_a_contour_within_another_one_is_a_hole() -> None:
    mask = fill([circle((30, 20), 9.45, 2), circle((31, 21), 4.3, 2)], grid())

    np.testing.assert_array_equal(mask[:, :, 2], disc((30, 20), 9.45) & ~disc((31, 21), 4.3))


def test_contours_beyond_the_edge_are_cut() -> None:
    mask = fill([circle((0.2, 20), 9.45, 2)], grid())

    np.testing.assert_array_equal(mask[:, :, 2], disc((0.2, 20), 9.45))


@pytest.mark.parametrize("k", [2.5, -1.0, 8.0])
def test_contours_off_the_slices_are_refused(k: float) -> None:
    with pytest.raises(GeometryError, match="lies on no slice"):
        fill([circle((30, 20), 5, k)], grid())


@pytest.mark.parametrize(
    ("name", "structure"),
    [
        *((name, "vs") for name in ("TV", "tv", "AN", "TV_1")),
        *((name, "cochlea") for name in ("Cochlea", "Cochlea_c", "cochlea")),
        *((name, None) for name in ("Modiolus", "Brainstem", "Test", "Men", "vol 2y", "skull")),
    ],
)
def test_names_of_the_collection(name: str, structure: str | None) -> None:
    assert structure_of(name, SYNONYMS) == structure


@pytest.fixture(scope="module")
def scanned(coarse: object) -> list[Scanned]:
    plans = plan_cohort(coarse, source=1, target=1, test=1)  # type: ignore[arg-type]
    return [scan_subject(coarse, plan, 4) for plan in plans]  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def collection(scanned: list[Scanned], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dicom")
    for one in scanned:
        writer("dicom").write_scan(out, one)
    return out


def slices(folder: Path, plan: Plan) -> list[Path]:
    return sorted(folder.rglob(f"VS-SEG-{plan.number:03}/*/1-*/*.dcm"))


def test_series_lie_where_itk_places_them(collection: Path, scanned: list[Scanned]) -> None:
    for one in scanned:
        files = slices(collection, one.plan)
        ours = read_series(files[::-1], one.plan.modality, "case")

        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(files[0].parent)))
        theirs = reader.Execute()

        np.testing.assert_array_equal(ours.voxels, sitk.GetArrayFromImage(theirs).transpose(2, 1, 0))
        for index in ((0, 0, 0), (7, 3, 5), (40, 60, 20)):
            place = np.array(theirs.TransformIndexToPhysicalPoint(index)) * (-1, -1, 1)
            np.testing.assert_allclose(to_mm(ours.affine, np.array(index, float)), place, atol=1e-4)


def test_a_missing_slice_is_noticed(collection: Path, scanned: list[Scanned]) -> None:
    files = slices(collection, scanned[0].plan)

    with pytest.raises(GeometryError, match=r"slices 4 and 5 .* are 4\.00 mm apart, the others 2\.00 mm"):
        read_series([*files[:4], *files[5:]], "ceT1", "case")


def test_conversion_keeps_scans_and_labels(collection: Path, scanned: list[Scanned], tmp_path: Path) -> None:
    result = convert_dicom(collection, tmp_path, Task())

    assert result.problems == ()
    dataset = read_dataset(DataConfig(root=tmp_path))
    assert dataset.layout == "csv"
    assert [[case.id for case in cohort] for cohort in dataset.cohorts] == [
        ["VS-SEG-001"],
        ["VS-SEG-002"],
        ["VS-SEG-003"],
    ]
    for row, one in zip(result.rows, scanned, strict=True):
        scan = read_volume(row.image, "any")
        assert row.labels is not None
        labels = read_labels(row.labels)
        i, j, k = np.indices(scan.voxels.shape)[:, ::9, ::9, ::5].reshape(3, -1)
        place = to_mm(scan.affine, np.stack([i, j, k], axis=-1).astype(float))
        index = np.rint(to_mm(np.linalg.inv(one.scan.affine), place)).astype(int)
        np.testing.assert_allclose(to_mm(one.scan.affine, index.astype(float)), place, atol=1e-3)
        np.testing.assert_array_equal(scan.voxels[i, j, k], one.scan.voxels[tuple(index.T)])
        np.testing.assert_array_equal(labels.voxels[i, j, k], one.labels.voxels[tuple(index.T)])
        for label in (1, 2):
            assert np.count_nonzero(labels.voxels == label) == np.count_nonzero(one.labels.voxels == label)


def test_what_cannot_be_converted_is_named(collection: Path, scanned: list[Scanned], tmp_path: Path) -> None:
    shutil.copytree(collection, tmp_path / "in")
    slices(tmp_path / "in", scanned[0].plan)[4].unlink()
    (structures,) = (tmp_path / "in").rglob("VS-SEG-002/*/2-RTSTRUCT/*.dcm")
    content = pydicom.dcmread(structures)
    for roi in content.StructureSetROISequence:
        roi.ROIName = "Men"
    content.save_as(structures)

    result = convert_dicom(tmp_path / "in", tmp_path / "out", Task())
    named = convert_dicom(tmp_path / "in", tmp_path / "out", Task(), structures={"vs": ("men",)})

    assert [row.case for row in result.rows] == ["VS-SEG-002", "VS-SEG-003"]
    assert "VS-SEG-001: ceT1: case VS-SEG-001: slices 4 and 5" in result.problems[0]
    assert "no region has a known name; there are 'Men', 'Men'" in result.problems[1]
    assert [row.labels is None for row in result.rows] == [True, False]
    assert [row.labels is None for row in named.rows] == [False, False]


def test_a_folder_without_series(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("text")

    with pytest.raises(DataError, match=r"holds no MR series in DICOM files \(1 files looked at\)"):
        convert_dicom(tmp_path, tmp_path / "out", Task())
