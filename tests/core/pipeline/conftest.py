from __future__ import annotations

from pathlib import Path

import cmda_toy
import pytest

from cmda_core.registry import Registry
from cmda_core.schema import Experiment


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scans")
    cmda_toy.write_dataset(root)
    return root


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    registry.add(cmda_toy, "toy")
    return registry


@pytest.fixture
def experiment(dataset: Path) -> Experiment:
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
