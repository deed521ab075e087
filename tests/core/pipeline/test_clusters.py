"""The work per case of a run, on a cluster."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cmda_toy
import pytest

from cmda_core.errors import ConfigError
from cmda_core.pipeline import run_experiment
from cmda_core.progress import Silent
from cmda_core.registry import Registry
from cmda_core.schema import Experiment


def prepared(folder: Path) -> dict[str, bytes]:
    """What stage *prepare* made, with the folder left out of it."""
    stage = folder / "prepared"
    return {
        str(path.relative_to(stage)): path.read_bytes().replace(str(folder).encode(), b"RUN")
        for path in sorted(stage.rglob("*"))
        if path.is_file() and path.name != "stage.json"
    }


def prepare(experiment: Experiment, folder: Path, registry: Registry, **runtime: Any) -> None:
    changed = experiment.model_copy(update={"runtime": experiment.runtime.model_copy(update=runtime)})
    run_experiment(changed, folder, registry=registry, progress=Silent(), until="prepare")


def test_a_dask_cluster_of_two_workers_gives_the_same_bytes(
    experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=str(tmp_path)
    ) as cluster:
        prepare(experiment, tmp_path / "dask", registry, backend="dask", address=cluster.scheduler_address)
    prepare(experiment, tmp_path / "here", registry)
    assert prepared(tmp_path / "dask") == prepared(tmp_path / "here")
    assert len(list((tmp_path / "dask" / "prepared" / "records").iterdir())) == 6
    # A finished run needs no cluster any more.
    prepare(experiment, tmp_path / "dask", registry, backend="dask", address="tcp://127.0.0.1:1")


@pytest.mark.slow
def test_a_ray_cluster_gives_the_same_bytes(
    experiment: Experiment, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    # Ray's workers do not inherit the import path: they find what is installed, and what this names.
    found = [str(Path(cmda_toy.__file__).parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, found)))
    prepare(experiment, tmp_path / "ray", registry, backend="ray", jobs=2)
    prepare(experiment, tmp_path / "here", registry)
    assert prepared(tmp_path / "ray") == prepared(tmp_path / "here")


def test_work_goes_to_the_cluster(
    experiment: Experiment, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("prepared in the leading process")

    monkeypatch.setattr(cmda_toy.ToyPreprocessor, "prepare", refuse)
    pytest.importorskip("distributed")
    prepare(experiment, tmp_path, registry, backend="dask", jobs=2)
    assert (tmp_path / "prepared" / "affined" / "source.json").exists()


def test_a_cluster_that_is_not_there(experiment: Experiment, registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--address: is for the backends dask and ray"):
        prepare(experiment, tmp_path, registry, address="tcp://127.0.0.1:1")
