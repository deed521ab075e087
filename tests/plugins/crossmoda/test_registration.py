"""Accuracy of the registration on phantom heads, whose anatomy is rich enough to tell every turn."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cmda_core.datasets.phantom.dataset import SOURCE_FOLDER, TEST_FOLDER, Plan, write_case
from cmda_core.datasets.phantom.presets import PRESETS
from cmda_core.volumes import Volume, read_volume
from cmda_core.volumes.geometry import Matrix, to_mm
from cmda_crossmoda.config import RegistrationConfig
from cmda_crossmoda.registration import register

COARSE = RegistrationConfig(finest_mm=4.0, iterations=40)
LANDMARKS = np.array([[x, y, z] for x in (-45, 45) for y in (-40, 30) for z in (-20, 20)], float)


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Volume]:
    """One subject, scanned in both modalities on grids of their own."""
    folder = tmp_path_factory.mktemp("head")
    scans = {}
    for split, modality, place in (("source", "ceT1", SOURCE_FOLDER), ("test", "hrT2", TEST_FOLDER)):
        write_case(folder, PRESETS["demo"], Plan("head", split, "ldn", 3), seed=1)
        scans[modality] = read_volume(folder / place / f"head_{modality}.nii.gz", modality)
    return scans


def distortion(seed: int) -> Matrix:
    """A turn of up to 10 degrees, a shift of up to 20 mm, and scales from 0.9 to 1.1."""
    random = np.random.default_rng(seed)
    axis, direction = random.normal(size=(2, 3))
    turn = Rotation.from_rotvec(np.deg2rad(random.uniform(0, 10)) * axis / np.linalg.norm(axis))
    matrix = np.eye(4)
    matrix[:3, :3] = turn.as_matrix() @ np.diag(random.uniform(0.9, 1.1, 3))
    matrix[:3, 3] = random.uniform(0, 20) * direction / np.linalg.norm(direction)
    return matrix


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("modality", "largest_mm"), [("ceT1", 1.0), ("hrT2", 0.5)])
def test_a_known_affine_is_recovered(
    head: dict[str, Volume], modality: str, largest_mm: float, seed: int
) -> None:
    true = distortion(seed)
    scan = head[modality]
    moved = Volume(scan.voxels, true @ scan.affine, modality, scan.case)

    found = register(head["hrT2"], moved, "mutual-information", COARSE)

    error = np.linalg.norm(to_mm(np.array(found.to_scan), LANDMARKS) - to_mm(true, LANDMARKS), axis=1)
    assert error.mean() < largest_mm
    assert not found.rigid_only


def test_correlation_serves_within_a_modality(head: dict[str, Volume]) -> None:
    true = distortion(0)
    scan = head["hrT2"]
    moved = Volume(scan.voxels, true @ scan.affine, "hrT2", scan.case)

    found = register(scan, moved, "correlation", COARSE)

    error = np.linalg.norm(to_mm(np.array(found.to_scan), LANDMARKS) - to_mm(true, LANDMARKS), axis=1)
    assert error.mean() < 0.5


def test_the_same_pair_gives_the_same_bits(head: dict[str, Volume]) -> None:
    results = {
        register(head["hrT2"], head["ceT1"], "mutual-information", COARSE).model_dump_json() for _ in range(3)
    }
    assert len(results) == 1
