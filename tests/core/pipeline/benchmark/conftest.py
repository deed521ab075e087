from __future__ import annotations

from pathlib import Path
from typing import Any

import cmda_toy
import pytest
import yaml

from cmda_core.pipeline.benchmark import BenchmarkResult, load_benchmark, run_benchmark
from cmda_core.progress import Silent

TOY = {"preprocessor": "toy", "translator": "toy", "segmenter": "toy", "grader": "toy"}


@pytest.fixture(scope="session")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("benchmark") / "scans"
    cmda_toy.write_dataset(root, tests=4)
    return root


def write_benchmark(folder: Path, scans: Path, **changes: Any) -> Path:
    """A benchmark of toys: one that sees the tumour, one that sees too much, and the bounds."""
    content = {
        "name": "toys",
        "base": "experiment.yaml",
        "baseline": "fine",
        "entries": [
            {"name": "lower", "training": "source-only"},
            {"name": "fine"},
            {"name": "hasty", "settings": {"segmenter": {"steps": 1}}},
            {"name": "Upper (oracle)", "training": "oracle"},
        ],
        **changes,
    }
    data = {"root": str(scans), "reference": str(scans / "crossmoda2022_reference")}
    experiment = {**TOY, "data": data, "runtime": {"device": "cpu", "threads": 1}}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "experiment.yaml").write_text(yaml.safe_dump(experiment))
    path = folder / "benchmark.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def compared(path: Path, out: Path, *overrides: str, **options: Any) -> BenchmarkResult:
    benchmark, rest = load_benchmark(str(path), overrides=overrides)
    return run_benchmark(
        benchmark, out, progress=Silent(), registry=cmda_toy.registry, overrides=rest, **options
    )
