from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import cmda_toy
import pytest

from cmda_core.pipeline import RunSummary, run_experiment
from cmda_core.progress import Silent
from cmda_core.schema import Experiment

Mount = Callable[[str], Path]
RunToys = Callable[..., RunSummary]


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scans")
    cmda_toy.write_dataset(root)
    return root


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a small disk of the options that are given, or changes those of the one that is there."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = False

    def change(options: str) -> Path:
        nonlocal mounted
        if os.geteuid() != 0 or shutil.which("mount") is None:
            pytest.skip("only root may mount a disk")
        again = "remount," if mounted else ""
        command = ["mount", "-t", "tmpfs", "-o", again + options, "tmpfs", str(place)]
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
        if done.returncode:
            pytest.skip(f"no disk can be mounted here: {done.stderr.decode().strip()}")
        mounted = True
        return place

    yield change
    if mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)  # noqa: S603, S607


def experiment_on(dataset: Path) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "toy",
            "data": {"root": dataset, "reference": dataset / "crossmoda2022_reference"},
            **dict.fromkeys(("preprocessor", "translator", "segmenter", "grader"), "toy"),
            "baselines": {"source_only": True},
            "runtime": {"device": "cpu", "threads": 1},
        }
    )


@pytest.fixture
def run_toys(dataset: Path) -> RunToys:
    def run(folder: Path, data: Path = dataset, **options: object) -> RunSummary:
        return run_experiment(
            experiment_on(data),
            folder,
            registry=cmda_toy.registry(),
            progress=Silent(),
            **options,  # type: ignore[arg-type]
        )

    return run


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A dataset of the test's own, to spoil."""
    cmda_toy.write_dataset(tmp_path / "scans")
    return tmp_path / "scans"


def results(folder: Path) -> dict[str, bytes]:
    """Every file of a run, but for records of time and place."""
    timed = {"stage.json", "journal.jsonl", "journal.1.jsonl", "environment.json", ".lock", "index.html"}
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in timed
    }


@pytest.fixture
def same_results() -> Callable[[Path, Path], None]:
    def compare(one: Path, other: Path) -> None:
        first, second = results(one), results(other)
        assert first.keys() == second.keys()
        assert [name for name in first if first[name] != second[name]] == []

    return compare
