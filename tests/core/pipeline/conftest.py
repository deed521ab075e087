from __future__ import annotations

from pathlib import Path

import cmda_toy
import numpy as np
import pytest

from cmda_core.pipeline import run_experiment
from cmda_core.progress import Silent
from cmda_core.registry import Registry
from cmda_core.schema import Experiment
from cmda_core.volumes import Volume, write_volume

OBLIQUE = np.array([[-0.9, 0.1, 0, 5], [0.1, 0.8, 0.2, -7], [0, -0.2, 1.5, 11], [0, 0, 0, 1]])


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scans")
    cmda_toy.write_dataset(root)
    return root


def toy_registry() -> Registry:
    registry = Registry()
    registry.add(cmda_toy, "toy")
    return registry


@pytest.fixture
def registry() -> Registry:
    return toy_registry()


@pytest.fixture
def experiment(dataset: Path) -> Experiment:
    return toy_experiment(dataset)


@pytest.fixture(scope="session")
def trained(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with trained models, for tests that only read it."""
    run = tmp_path_factory.mktemp("trained") / "run"
    run_experiment(
        toy_experiment(dataset), run, registry=toy_registry(), progress=Silent(), until="train-grader"
    )
    return run


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A folder of two scans, one with and one without a modality in its name."""
    voxels = np.random.default_rng(5).uniform(0, 1000, (12, 10, 6)).astype(np.float32)
    for name in ("anna_hrT2", "bob"):
        write_volume(tmp_path / "scans" / f"{name}.nii.gz", Volume(voxels, OBLIQUE, "hrT2", name))
    return tmp_path / "scans"


def toy_experiment(dataset: Path) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "toy",
            "data": {"root": dataset, "reference": dataset / "crossmoda2022_reference"},
            "preprocessor": "toy",
            "translator": "toy",
            "segmenter": "toy",
            "grader": "toy",
            "baselines": {"source_only": True},
            "runtime": {"device": "cpu", "threads": 1},
        }
    )
