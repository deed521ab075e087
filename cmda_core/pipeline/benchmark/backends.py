"""Where the runs of a benchmark work: here, in processes, or on a cluster through joblib."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import joblib

from cmda_core.errors import ConfigError, RunError

Backend = Literal["loky", "dask", "ray"]
Result = TypeVar("Result")

CONNECT_SECONDS = 30
"""How long to wait for the scheduler of a cluster."""


@dataclass(frozen=True, slots=True)
class Workers:
    """Whoever does the runs.

    Attributes:
        backend: Where they work.
        jobs: Runs at a time; -1 for as many as a cluster has workers.
    """

    backend: Backend
    jobs: int

    @property
    def here(self) -> bool:
        """Whether runs are done in this process, one after the other."""
        return self.backend == "loky" and self.jobs == 1

    def each(self, work: Callable[..., Result], arguments: Sequence[tuple[Any, ...]]) -> Iterator[Result]:
        """Call ``work`` with each tuple of arguments; results come as they are ready.

        Args:
            work: A function at the top level of a module.
            arguments: One tuple per run.

        Raises:
            RunError: If a process dies, as the system kills one that takes too much memory.
        """
        if self.here:
            yield from (work(*one) for one in arguments)
            return
        # Ray's backend hands out results only when all are ready.
        order = "list" if self.backend == "ray" else "generator_unordered"
        calls = [joblib.delayed(work)(*one) for one in arguments]
        try:
            with joblib.parallel_config(backend=self.backend):
                parallel = joblib.Parallel(
                    n_jobs=self.jobs, pre_dispatch="all", batch_size=1, return_as=order
                )
                yield from parallel(calls)
        except BrokenExecutor as error:
            raise RunError(
                "a worker died, as the system kills a process that takes too much memory. What is done is "
                "kept: the same command goes on, with a smaller --jobs if that was it."
            ) from error


@contextmanager
def opened_workers(
    backend: Backend = "loky", *, jobs: int = 1, address: str | None = None
) -> Iterator[Workers]:
    """Workers for as long as the block runs.

    Args:
        backend: ``loky``: processes of this machine. ``dask`` and ``ray``: a cluster.
        jobs: Runs at a time on this machine.
        address: Of the cluster; one on this machine with ``jobs`` workers if left out.

    Raises:
        ConfigError: If the backend is not installed, or the cluster cannot be reached.
    """
    with _BACKENDS[backend](jobs, address) as number:
        yield Workers(backend, number)


@contextmanager
def _loky(jobs: int, address: str | None) -> Iterator[int]:
    if address is not None:
        raise ConfigError("--address: is for the backends dask and ray; loky works on this machine.")
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
            opened.enter_context(Client(cluster, timeout=CONNECT_SECONDS))
        except (OSError, TimeoutError, ValueError) as error:
            raise ConfigError(_unreachable("dask", "scheduler", address, error)) from error
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
            here: dict[str, Any] = {"num_cpus": jobs, "include_dashboard": False}
            ray.init(address=address, log_to_driver=False, **({} if address else here))
        register_ray()
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(_unreachable("ray", "head", address, error)) from error
    try:
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
