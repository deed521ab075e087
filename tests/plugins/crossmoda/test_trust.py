"""Whether a poor alignment is noticed, tried again, and named."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation
from sklearn.metrics import normalized_mutual_info_score

from cmda_core.datasets.phantom.dataset import SOURCE_FOLDER, TEST_FOLDER, Plan, write_case
from cmda_core.datasets.phantom.presets import PRESETS
from cmda_core.errors import DataError
from cmda_core.protocols import PreparationData
from cmda_core.run import Run
from cmda_core.schema import Case, Cohort, Task
from cmda_core.volumes import Volume, read_volume, write_volume
from cmda_core.volumes.geometry import Matrix, to_mm
from cmda_crossmoda.config import CrossmodaConfig, RegistrationConfig, RetryConfig, TrustConfig
from cmda_crossmoda.plugin import build, load
from cmda_crossmoda.quality import BINS, agreement, turn_of
from cmda_crossmoda.registration import Registration, register
from cmda_crossmoda.retry import register_again
from cmda_crossmoda.trust import Agreement, concerns, is_doubtful, register_trusted

COARSE = RegistrationConfig(finest_mm=4.0, iterations=40, retry=RetryConfig(followed=1))
LANDMARKS = np.array([[x, y, z] for x in (-45, 45) for y in (-40, 30) for z in (-20, 20)], float)
UPSIDE_DOWN = np.diag([1.0, -1.0, -1.0, 1.0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One subject, scanned in both modalities on grids of their own."""
    folder = tmp_path_factory.mktemp("head")
    for split in ("source", "test"):
        write_case(folder, PRESETS["demo"], Plan("head", split, "ldn", 3), seed=1)
    return folder


@pytest.fixture(scope="module")
def atlas(folder: Path) -> Volume:
    return read_volume(folder / TEST_FOLDER / "head_hrT2.nii.gz", "hrT2", "atlas")


@pytest.fixture(scope="module")
def scan(folder: Path) -> Volume:
    return read_volume(folder / SOURCE_FOLDER / "head_ceT1.nii.gz", "ceT1", "head")


def turned(degrees: float, seed: int = 0) -> Matrix:
    """A turn about a random axis, and a shift of 10 mm."""
    axis, direction = np.random.default_rng(seed).normal(size=(2, 3))
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(np.deg2rad(degrees) * axis / np.linalg.norm(axis)).as_matrix()
    matrix[:3, 3] = 10 * direction / np.linalg.norm(direction)
    return matrix


def moved(scan: Volume, by: Matrix) -> Volume:
    return Volume(scan.voxels, by @ scan.affine, scan.modality, scan.case)


def error_mm(found: Registration, true: Matrix) -> float:
    difference = to_mm(np.array(found.to_scan), LANDMARKS) - to_mm(true, LANDMARKS)
    return float(np.linalg.norm(difference, axis=1).mean())


@pytest.fixture(scope="module")
def usual(atlas: Volume, scan: Volume) -> list[Registration]:
    """Alignments of heads that lie as heads do."""
    poses = [turned(2.0 * seed, seed) for seed in range(5)]
    return [register(atlas, moved(scan, pose), "mutual-information", COARSE) for pose in poses]


def test_the_agreement_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    first = random.integers(0, BINS, 5000)
    second = np.where(random.random(5000) < 0.6, first, random.integers(0, BINS, 5000))

    assert agreement(first, second) == pytest.approx(normalized_mutual_info_score(first, second))
    assert agreement(first, first) == pytest.approx(1)
    assert agreement(first, np.zeros(5000, int)) == 0


@pytest.mark.parametrize("degrees", [0, 12, 90, 180])
def test_turns_are_measured(degrees: float) -> None:
    matrix = turned(degrees)
    matrix[:3, :3] = matrix[:3, :3] @ np.diag([0.9, 1.1, 1.0])

    assert turn_of(matrix) == pytest.approx(degrees, abs=0.5)


def test_heads_that_lie_as_heads_do_are_trusted(usual: list[Registration]) -> None:
    others = Agreement.of(usual)

    assert others.cases == 5
    assert [concerns(one, others, COARSE.trust) for one in usual] == [()] * 5


def test_a_head_turned_by_forty_degrees_is_tried_again_and_named(
    atlas: Volume, scan: Volume, usual: list[Registration]
) -> None:
    pose, others = turned(40), Agreement.of(usual)
    first = register(atlas, moved(scan, pose), "mutual-information", COARSE)

    found = register_trusted(atlas, moved(scan, pose), "mutual-information", COARSE, others)

    assert error_mm(first, pose) > 10
    assert is_doubtful(first, others, COARSE.trust)
    assert found.retried
    assert error_mm(found, pose) < 1.5
    assert any("turned by" in concern for concern in concerns(found, others, COARSE.trust))


def test_an_orientation_that_the_header_has_wrong_is_found_and_named(
    atlas: Volume, scan: Volume, usual: list[Registration]
) -> None:
    upside_down = moved(scan, UPSIDE_DOWN)

    found = register_trusted(atlas, upside_down, "mutual-information", COARSE, Agreement.of(usual))

    assert error_mm(found, UPSIDE_DOWN) < 1
    assert concerns(found, Agreement.of(usual), COARSE.trust) == (
        "the scan is turned by 180° against the atlas (is its header right?)",
    )


def test_what_no_start_can_align_is_flagged(atlas: Volume, usual: list[Registration]) -> None:
    noise = np.random.default_rng(0).normal(size=atlas.voxels.shape)
    blobs = atlas.with_voxels(gaussian_filter(noise, 6).astype(np.float32), modality="ceT1")

    found = register_trusted(atlas, blobs, "mutual-information", COARSE, Agreement.of(usual))

    assert found.retried
    assert "agrees less with the atlas" in concerns(found, Agreement.of(usual), COARSE.trust)[0]


def test_trying_again_never_ends_worse(atlas: Volume, scan: Volume, usual: list[Registration]) -> None:
    again = register_again(atlas, scan, "mutual-information", COARSE, usual[0])

    assert again.quality.agreement >= usual[0].quality.agreement


def test_what_shows_nothing_is_refused_from_every_start(atlas: Volume) -> None:
    empty = atlas.with_voxels(np.zeros_like(atlas.voxels))

    with pytest.raises(DataError, match="from any start"):
        register_trusted(atlas, empty, "mutual-information", COARSE, Agreement())


def test_an_outlier_is_measured_against_the_others_and_failures_do_not_hide_it(
    usual: list[Registration],
) -> None:
    def with_agreement(value: float) -> Registration:
        quality = usual[0].quality.model_copy(update={"agreement": value})
        return usual[0].model_copy(update={"quality": quality})

    values = [0.30, 0.31, 0.29, 0.32, 0.28, 0.10, 0.12]
    others = Agreement.of([with_agreement(value) for value in values])
    spread = 1.4826 * np.median(np.abs(np.array(values) - np.median(values)))

    assert (others.median, others.spread) == (0.29, pytest.approx(spread))
    trust = TrustConfig()
    assert others.shortfall(with_agreement(0.12), trust) == pytest.approx((0.29 - 0.12) / spread)
    assert concerns(with_agreement(0.12), others, trust)
    assert not concerns(with_agreement(0.28), others, trust)
    few = Agreement.of([with_agreement(value) for value in values[:4]])
    assert not concerns(with_agreement(0.01), few, trust)


def test_a_mis_posed_case_is_named_in_fit_and_for_a_new_scan_alike(
    atlas: Volume, scan: Volume, folder: Path, tmp_path: Path
) -> None:
    def case(name: str, volume: Volume, by: Matrix) -> Case:
        path = tmp_path / f"{name}.nii.gz"
        write_volume(path, moved(volume, by))
        labels = folder / SOURCE_FOLDER / "head_Label.nii.gz" if name == "s0" else None
        return Case(id=name, subject=name, modality=volume.modality, image=path, labels=labels)

    source = [case(f"s{seed}", scan, turned(2.0 * seed, seed) if seed else np.eye(4)) for seed in range(5)]
    source.append(case("odd", scan, turned(40)))
    target = Cohort(name="target", cases=(case("t0", atlas, np.eye(4)),))
    config = CrossmodaConfig(
        spacing_mm=(2, 2, 3), shape=(40, 40, 16), registration=COARSE, interpolation="linear"
    )
    preprocessor = build(config, Task())
    preprocessor.fit(
        PreparationData(Cohort(name="source", cases=tuple(source)), target), Run(tmp_path / "run")
    )
    preprocessor.save(tmp_path / "model")

    assert not preprocessor.prepare(source[1]).concerns
    odd = preprocessor.prepare(source[-1])
    assert odd.quality["retried"] == 1
    assert odd.quality["turn_degrees"] == pytest.approx(40, abs=2)
    assert "the scan is turned by" in odd.concerns[0]
    new = load(tmp_path / "model").prepare(case("new", scan, turned(40, 1)))
    assert new.quality["retried"] == 1
    assert "the scan is turned by" in new.concerns[0]
