"""The container's entry script, run outside of a container, on a machine that has only the bundle."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cmda_toy
import pytest

from cmda_core.pipeline import run_experiment
from cmda_core.pipeline.bundle import export_bundle
from cmda_core.progress import Silent
from cmda_core.registry import Registry
from cmda_core.schema import Experiment

SCRIPT = Path(__file__).parents[2] / "docker" / "entrypoint.sh"
FIXTURES = Path(__file__).parents[1] / "fixtures"
CASE = "crossmoda2021_ldn_211"

Entrypoint = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle, an installed toy plugin, a command ``cmda`` and /input; the run is gone."""
    root = tmp_path_factory.mktemp("machine")
    cmda_toy.write_dataset(root / "scans")
    registry = Registry()
    registry.add(cmda_toy, "toy")
    kinds = ("preprocessor", "translator", "segmenter", "grader")
    experiment = Experiment.model_validate(
        {"data": {"root": root / "scans"}, "runtime": {"device": "cpu"}} | dict.fromkeys(kinds, "toy")
    )
    run_experiment(experiment, root / "run", registry=registry, progress=Silent(), until="train-grader")
    export_bundle(root / "run", root / "model.cmda", registry=registry)
    shutil.move(root / "scans/crossmoda2022_validation/validation", root / "input")
    shutil.rmtree(root / "run")
    shutil.rmtree(root / "scans")

    installed = root / "site" / "cmda_toy-1.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: cmda-toy\nVersion: 1\n")
    (installed / "entry_points.txt").write_text("[cmda.plugins]\ntoy = cmda_toy\n")
    command = root / "bin" / "cmda"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cmda_cli "$@"\n')
    command.chmod(0o755)
    return root


@pytest.fixture
def entrypoint(machine: Path, tmp_path: Path) -> Entrypoint:
    def run(**variables: str) -> subprocess.CompletedProcess[str]:
        paths = [
            machine / "site",
            FIXTURES,
            *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)),
        ]
        return subprocess.run(  # noqa: S603  # our own script
            [str(SCRIPT), "--device", "cpu"],
            env={
                "PATH": os.pathsep.join([str(machine / "bin"), os.defpath]),
                "PYTHONPATH": os.pathsep.join(map(str, paths)),
                "CMDA_MODEL": str(machine / "model.cmda"),
                "CMDA_INPUT": str(machine / "input"),
                "CMDA_OUTPUT": str(tmp_path / "output"),
                "TMPDIR": str(tmp_path),
                "HOME": str(tmp_path),
                "OMP_NUM_THREADS": "1",
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def test_input_becomes_a_submission(entrypoint: Entrypoint, machine: Path, tmp_path: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in (machine / "input").iterdir()}
    done = entrypoint(CMDA_TASKS="segment grade")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "output").iterdir()) == [
        f"{CASE}_Label.nii.gz",
        "predictions.csv",
    ]
    assert {path.name: path.stat().st_mtime_ns for path in (machine / "input").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["output"]  # nothing is left where it was unpacked


def test_a_scan_that_fails_is_told_by_the_exit_status(
    entrypoint: Entrypoint, machine: Path, tmp_path: Path
) -> None:
    scans = Path(shutil.copytree(machine / "input", tmp_path / "input"))
    (scans / "torn_hrT2.nii.gz").write_bytes(b"no scan")
    done = entrypoint(CMDA_INPUT=str(scans), CMDA_CHALLENGE="2021")
    assert done.returncode == 1
    assert "error: 1 of 2 scans failed: torn." in done.stderr
    assert [path.name for path in (tmp_path / "output").iterdir()] == [f"{CASE}_Label.nii.gz"]


def test_an_unknown_task_is_found_before_any_work(entrypoint: Entrypoint, tmp_path: Path) -> None:
    done = entrypoint(CMDA_TASKS="segment stage")
    assert done.returncode == 2
    assert "expected segment, grade or both, got 'stage'" in done.stderr
    assert not (tmp_path / "output").exists()


def test_the_image_starts_with_the_script() -> None:
    recipe = (SCRIPT.parent / "Dockerfile").read_text()
    assert 'ENTRYPOINT ["/opt/cmda/entrypoint.sh"]' in recipe
    assert "/src/docker/entrypoint.sh /opt/cmda/entrypoint.sh" in recipe
    assert os.access(SCRIPT, os.X_OK)
