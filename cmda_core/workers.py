"""Where work on many cases or runs is done: here, in processes, or on a cluster through joblib."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

from cmda_core.errors import ConfigError, WorkerDiedError
from cmda_core.orphans import work_for

Backend = Literal["loky", "dask", "ray"]
Result = TypeVar("Result")

CONNECT_SECONDS = 30
"""How long to wait for the scheduler of a cluster."""


@dataclass(frozen=True, slots=True)
class Workers:
    """Whoever does the work.

    Attributes:
        backend: Where they work.
        jobs: Pieces of work at a time; -1 for as many as a cluster has workers, or this machine cores.
    """

    backend: Backend = "loky"
    jobs: int = 1

    @property
    def here(self) -> bool:
        """Whether work is done in this process, one piece after the other."""
        return self.backend == "loky" and self.jobs == 1

    def each(
        self,
        work: Callable[..., Result],
        arguments: Sequence[tuple[Any, ...]],
        *,
        ordered: bool = True,
        one_at_a_time: bool = False,
    ) -> Iterator[Result]:
        """Call ``work`` with each tuple of arguments.

        Args:
            work: A function at the top level of a module, or a method of what can be sent to a process.
            arguments: One tuple per piece of work.
            ordered: Give results in this order; otherwise as they are ready.
            one_at_a_time: Never work on two pieces at once, and on none in this process.

        Raises:
            WorkerDiedError: If a process of this machine dies, as the system kills one that takes too much
                memory.
        """
        if not one_at_a_time and (self.here or (self.backend == "loky" and len(arguments) < 2)):
            yield from (work(*one) for one in arguments)
            return
        import joblib

        order = "generator" if ordered else "generator_unordered"
        if self.backend == "ray":  # hands out results only when all are ready
            order = "list"
        jobs = min(self.jobs, len(arguments)) if self.backend == "loky" else self.jobs
        # Cases go out as others come back; runs all at once, so that a cluster can plan for them.
        ahead: int | str = "2*n_jobs" if ordered else "all"
        if one_at_a_time:
            # Two processes of which one waits: with a single one joblib would work in this process, and
            # the system would kill that.
            jobs, ahead = 2, 1
        if self.backend == "loky":  # clusters look after their workers themselves
            work = partial(work_for, os.getpid(), work)
        calls = (joblib.delayed(work)(*one) for one in arguments)
        try:
            with joblib.parallel_config(backend=self.backend):
                parallel = joblib.Parallel(n_jobs=jobs, pre_dispatch=ahead, batch_size=1, return_as=order)
                results = parallel(calls)
            yield from results
        except BrokenExecutor as error:
            raise WorkerDiedError(
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
        jobs: Pieces of work at a time on this machine; -1 for one per core.
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
            local = LocalCluster(n_workers=cores(jobs), threads_per_worker=1, dashboard_address=None)
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
            here: dict[str, Any] = {"num_cpus": cores(jobs), "include_dashboard": False}
            ray.init(address=address, log_to_driver=False, **({} if address else here))
        register_ray()
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(_unreachable("ray", "head", address, error)) from error
    try:
        yield cores(jobs) if address is None else -1
    finally:
        if started:
            ray.shutdown()


_BACKENDS = {"loky": _loky, "dask": _dask, "ray": _ray}


def cores(jobs: int) -> int:
    """A number of processes; one per core for -1."""
    return jobs if jobs > 0 else os.cpu_count() or 1


def _missing(name: str) -> str:
    return f"--backend {name}: {name} is not installed. Run pip install 'cmda[{name}]', or choose loky."


def _unreachable(name: str, what: str, address: str | None, error: Exception) -> str:
    where = f"at {address}" if address else "on this machine"
    return f"--backend {name}: no {what} {where} ({error}). Is it running, and the address right?"
