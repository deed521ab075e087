"""The same benchmark on processes of this machine and on clusters."""

from __future__ import annotations

import builtins
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cmda_toy
import pytest

from cmda_core import workers as module
from cmda_core.errors import ConfigError, RunError
from cmda_core.workers import opened_workers

from .conftest import compared, write_benchmark


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Any]:
    """A real Dask cluster on this machine: a scheduler and two worker processes."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=str(tmp_path)
    ) as running:
        yield running


def test_a_dask_cluster_gives_the_same_table(tmp_path: Path, scans: Path, cluster: Any) -> None:
    path = write_benchmark(tmp_path, scans)
    alone = compared(path, tmp_path / "alone")
    spread = compared(path, tmp_path / "spread", backend="dask", address=cluster.scheduler_address)
    assert [one.failure for one in spread.outcomes] == [None] * 4
    assert spread.comparison == alone.comparison
    with opened_workers("dask", address=cluster.scheduler_address) as workers:
        assert os.getpid() not in set(workers.each(os.getpid, [()] * 8))


@pytest.mark.slow
def test_a_ray_cluster_gives_the_same_table(
    tmp_path: Path, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    # Ray's workers do not inherit the import path: they find what is installed, and what this names.
    found = [str(Path(cmda_toy.__file__).parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, found)))
    path = write_benchmark(tmp_path, scans)
    alone = compared(path, tmp_path / "alone")
    spread = compared(path, tmp_path / "spread", backend="ray", jobs=2)
    assert [one.failure for one in spread.outcomes] == [None] * 4
    assert spread.comparison == alone.comparison


def test_a_worker_that_is_killed_ends_the_benchmark_with_advice() -> None:
    with (
        opened_workers(jobs=2) as workers,
        pytest.raises(RunError, match=r"a worker died.* smaller --jobs"),
    ):
        list(workers.each(os._exit, [(1,), (1,)]))


@pytest.mark.parametrize("backend", ["dask", "ray"])
def test_a_backend_that_is_not_installed_is_named_with_how_to_get_it(
    backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def absent(name: str, *arguments: Any, **options: Any) -> Any:
        if name.partition(".")[0] in {"distributed", "dask", "ray"}:
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ConfigError, match=rf"pip install 'cmda\[{backend}\]'"):
        opened_workers(backend).__enter__()


def test_an_address_without_a_cluster_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.5)
    with pytest.raises(ConfigError, match="--address"):
        opened_workers(address="tcp://127.0.0.1:1").__enter__()
    pytest.importorskip("distributed")
    with pytest.raises(ConfigError, match=r"no scheduler at tcp://127\.0\.0\.1:1"):
        opened_workers("dask", address="tcp://127.0.0.1:1").__enter__()
