import pickle
from pathlib import Path

import numpy as np
import pytest

from cmda_core.errors import DataError, ModalityError, NotTrainedError
from cmda_core.protocols import Crop, PreparationData, Segmentation
from cmda_core.run import Run
from cmda_core.schema import Cohort, Task
from cmda_core.volumes import read_labels, read_volume
from cmda_core.volumes.geometry import to_mm
from cmda_crossmoda.config import CrossmodaConfig, RegistrationConfig
from cmda_crossmoda.plugin import OFFER, build, load
from cmda_crossmoda.registration import register

from .conftest import COCHLEAE, HeadMaker, native_affine, shift

REGISTRATION = RegistrationConfig(finest_mm=4.0, iterations=60)
CONFIG = CrossmodaConfig(spacing_mm=(2.0, 2.0, 3.0), shape=(56, 40, 20), registration=REGISTRATION)


def one_hot(crop: Crop) -> Segmentation:
    assert crop.labels is not None
    voxels = crop.labels.voxels
    return Segmentation(crop.labels, np.stack([voxels == n for n in range(3)]).astype(np.float32))


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


@pytest.fixture
def fitted(data: PreparationData, task: Task, tmp_path: Path) -> object:
    preprocessor = build(CONFIG, task)
    preprocessor.fit(data, Run(tmp_path / "run"))
    return preprocessor


def test_the_default_settings_are_those_of_the_paper() -> None:
    config = OFFER.config()

    assert config.shape == (256, 256, 80)
    assert config.spacing_mm == (0.4102, 0.4102, 1.0)


def test_registration_repairs_directions_and_keeps_the_scanner_s_millimetres(make_head: HeadMaker) -> None:
    sheared = native_affine()
    sheared[:3, 2] += 0.02 * sheared[:3, 1]
    atlas = read_volume(make_head("atlas", "hrT2").image, "hrT2")
    scan = read_volume(make_head("scan", "hrT2", affine=sheared).image, "hrT2")

    found = register(atlas, scan, "mutual-information", REGISTRATION)

    assert np.linalg.norm(to_mm(np.array(found.to_scan), COCHLEAE) - COCHLEAE, axis=1).max() < 1.5


def test_scans_that_show_nothing_are_refused(make_head: HeadMaker) -> None:
    atlas = read_volume(make_head("atlas", "hrT2").image, "hrT2")
    empty = atlas.with_voxels(np.zeros_like(atlas.voxels))

    with pytest.raises(DataError, match="cannot be registered to the atlas"):
        register(atlas, empty, "mutual-information", REGISTRATION)


def test_crops_are_axial_lps_grids_of_the_asked_size(fitted, data: PreparationData) -> None:
    prepared = fitted.prepare(data.source.cases[1])

    for crop in prepared.crops.values():
        assert crop.image.voxels.shape == CONFIG.shape
        np.testing.assert_array_equal(crop.image.affine[:3, :3], np.diag([-2.0, -2.0, 3.0]))
        assert crop.image.voxels.dtype == np.float32
        assert crop.image.voxels.min() >= -1
        assert crop.image.voxels.max() <= 1
        assert crop.pose.native.shape == read_volume(data.source.cases[1].image, "ceT1").voxels.shape
        assert crop.labels is not None
        assert crop.parcellation is not None
        assert set(np.unique(crop.labels.voxels)) == {0, 1, 2}
    np.testing.assert_array_equal(np.array(prepared.crops["unaffined"].pose.to_native), np.eye(4))


def test_structures_lie_at_the_same_place_in_all_affined_crops(fitted, data: PreparationData) -> None:
    centroids = []
    for case in data.source:
        labels = fitted.prepare(case).crops["affined"].labels.voxels
        centroids.append([np.argwhere(labels == n).mean(axis=0) * CONFIG.spacing_mm for n in (1, 2)])

    first, second = np.array(centroids)
    assert np.linalg.norm(first - second, axis=-1).max() < 2.5


def test_the_unaffined_crop_follows_the_patient(fitted, make_head: HeadMaker) -> None:
    """A head that lies 40 mm aside is cropped around the same anatomy, and not turned."""
    case = make_head("aside", "hrT2", shift(-24, 18, 0, 6))

    crop = fitted.prepare(case).crops["unaffined"]

    found = crop.labels.voxels
    whole = read_labels(case.labels)
    volume = np.prod(whole.spacing) / np.prod(CONFIG.spacing_mm)
    for n in (1, 2):
        assert (found == n).sum() == pytest.approx((whole.voxels == n).sum() * volume, rel=0.15)
    mm = to_mm(crop.image.affine, np.argwhere(found == 1).mean(axis=0))
    native = to_mm(whole.affine, np.argwhere(whole.voxels == 1).mean(axis=0))
    assert np.linalg.norm(mm - native) < 0.7


@pytest.mark.parametrize("name", ["affined", "unaffined"])
@pytest.mark.parametrize(("turn", "flip"), [(0.0, False), (17.0, True)])
def test_labels_come_back_onto_the_exact_native_grid(
    fitted, make_head: HeadMaker, name: str, turn: float, flip: bool
) -> None:
    case = make_head("tilted", "ceT1", shift(4, 2, -3, 5), native_affine(turn, flip))
    crop = fitted.prepare(case).crops[name]

    restored = fitted.restore(one_hot(crop), crop.pose)

    native = read_labels(case.labels)
    assert restored.voxels.shape == native.voxels.shape
    assert restored.voxels.dtype == np.uint8
    np.testing.assert_array_equal(restored.affine, crop.pose.native.matrix)
    np.testing.assert_array_equal(restored.affine, native.affine)
    assert dice(restored.voxels == 1, native.voxels == 1) > 0.9
    assert dice(restored.voxels == 2, native.voxels == 2) > 0.85


def test_tumours_of_the_source_are_not_clipped(fitted, data: PreparationData) -> None:
    crop = fitted.prepare(data.source.cases[0]).crops["unaffined"]

    inner = crop.image.voxels[crop.labels.voxels == 1]

    assert np.mean(inner >= 1) < 0.1
    assert np.median(inner) > 0.5


def test_the_gain_of_the_scanner_does_not_change_a_crop(fitted, make_head: HeadMaker) -> None:
    plain = fitted.prepare(make_head("h1", "hrT2")).crops["unaffined"].image.voxels
    loud = fitted.prepare(make_head("h2", "hrT2", gain=3.0)).crops["unaffined"].image.voxels

    assert np.abs(plain - loud).mean() < 0.02


def test_a_saved_preprocessor_prepares_the_same(fitted, data: PreparationData, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")

    loaded = load(tmp_path / "model")

    for case in (data.source.cases[1], data.target.cases[0]):
        ours, theirs = fitted.prepare(case), loaded.prepare(case)
        for name in ours.crops:
            np.testing.assert_allclose(
                ours.crops[name].image.voxels, theirs.crops[name].image.voxels, atol=1e-4
            )
            np.testing.assert_allclose(
                ours.crops[name].image.affine, theirs.crops[name].image.affine, rtol=0, atol=1e-9
            )


def test_a_fitted_preprocessor_can_be_sent_to_another_process(fitted, data: PreparationData) -> None:
    copy = pickle.loads(pickle.dumps(fitted))  # noqa: S301  # joblib does this

    case = data.source.cases[0]
    np.testing.assert_array_equal(
        copy.prepare(case).crops["affined"].image.voxels, fitted.prepare(case).crops["affined"].image.voxels
    )


def test_an_interrupted_fit_does_not_register_again(
    fitted, data: PreparationData, task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("registered again")

    monkeypatch.setattr("cmda_crossmoda.fitting.register_trusted", refuse)

    build(CONFIG, task).fit(data, Run(tmp_path / "run"))


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "preprocessor.json").write_text("{}")

    with pytest.raises(DataError, match="is not a preprocessor that cmda saved"):
        load(tmp_path)


def test_nothing_is_prepared_before_fitting(data: PreparationData, task: Task) -> None:
    with pytest.raises(NotTrainedError, match="run 'cmda train'"):
        build(CONFIG, task).prepare(data.source.cases[0])


def test_other_modalities_are_refused(fitted, data: PreparationData) -> None:
    case = data.source.cases[0].model_copy(update={"modality": "FLAIR"})

    with pytest.raises(ModalityError, match="FLAIR is not of the task"):
        fitted.prepare(case)


def test_an_unknown_atlas_is_refused(data: PreparationData, task: Task, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"atlas": "absent"})

    with pytest.raises(DataError, match="has no case 'absent'"):
        build(config, task).fit(data, Run(tmp_path / "run"))


def test_a_source_without_any_label_is_refused(data: PreparationData, task: Task, tmp_path: Path) -> None:
    cases = tuple(case.model_copy(update={"labels": None}) for case in data.source)
    unlabelled = PreparationData(Cohort(name="source", cases=cases), data.target)

    with pytest.raises(DataError, match="region of interest cannot be placed"):
        build(CONFIG, task).fit(unlabelled, Run(tmp_path / "run"))
