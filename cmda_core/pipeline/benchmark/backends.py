"""Where the runs of a benchmark work: here, in processes, or on a cluster through joblib."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, TypeVar

import joblib

from cmda_core.errors import ConfigError

Backend = Literal["loky", "dask", "ray"]
Result = TypeVar("Result")


def each_run(
    work: Callable[..., Result],
    arguments: Sequence[tuple[Any, ...]],
    *,
    jobs: int = 1,
    backend: Backend = "loky",
    address: str | None = None,
) -> Iterator[Result]:
    """Call ``work`` with each tuple of arguments; results come as they are ready.

    Args:
        work: A function at the top level of a module.
        arguments: One tuple per run.
        jobs: Runs at a time; with ``loky`` and 1 they are done in this process.
        backend: ``loky``: processes of this machine. ``dask`` and ``ray``: a cluster.
        address: Of the cluster; one on this machine with ``jobs`` workers if left out.

    Raises:
        ConfigError: If the backend is not installed, or the cluster cannot be reached.
    """
    if backend == "loky" and address is not None:
        raise ConfigError("--address: is for the backends dask and ray; loky works on this machine.")
    if backend == "loky" and jobs == 1:
        yield from (work(*one) for one in arguments)
        return
    calls = [joblib.delayed(work)(*one) for one in arguments]
    with _BACKENDS[backend](jobs, address) as workers:
        options = {"pre_dispatch": "all", "batch_size": 1, "return_as": "generator_unordered"}
        if backend == "ray":  # hands out results only when all are ready
            options["return_as"] = "list"
        yield from joblib.Parallel(n_jobs=workers, **options)(calls)


@contextmanager
def _loky(jobs: int, _address: str | None) -> Iterator[int]:
    with joblib.parallel_config(backend="loky"):
        yield jobs


@contextmanager
def _dask(jobs: int, address: str | None) -> Iterator[int]:
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ConfigError(_missing("dask")) from error
    with ExitStack() as opened:
        if address is None:
            # A training keeps its process busy and may start others: one at a time in each worker.
            local = LocalCluster(n_workers=jobs, threads_per_worker=1, dashboard_address=None)
            cluster: Any = opened.enter_context(local)
        else:
            cluster = address
        try:
            opened.enter_context(Client(cluster, timeout="30s"))
        except (OSError, TimeoutError, ValueError) as error:
            raise ConfigError(_unreachable("dask", "scheduler", address, error)) from error
        opened.enter_context(joblib.parallel_config(backend="dask"))
        yield -1


@contextmanager
def _ray(jobs: int, address: str | None) -> Iterator[int]:
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise ConfigError(_missing("ray")) from error
    started = not ray.is_initialized()
    try:
        if started:
            limits = {} if address else {"num_cpus": jobs, "include_dashboard": False}
            ray.init(address=address, log_to_driver=False, **limits)
        register_ray()
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(_unreachable("ray", "head", address, error)) from error
    try:
        with joblib.parallel_config(backend="ray"):
            yield jobs if address is None else -1
    finally:
        if started:
            ray.shutdown()


_BACKENDS = {"loky": _loky, "dask": _dask, "ray": _ray}


def _missing(name: str) -> str:
    return f"--backend {name}: {name} is not installed. Run pip install 'cmda[{name}]', or choose loky."


def _unreachable(name: str, what: str, address: str | None, error: Exception) -> str:
    where = f"at {address}" if address else "on this machine"
    return f"--backend {name}: no {what} {where} ({error}). Is it running, and the address right?"
