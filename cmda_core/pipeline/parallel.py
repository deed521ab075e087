"""Work per case through joblib, whose backends reach from one process to a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from joblib import Parallel, delayed

Result = TypeVar("Result")


def each_case(
    work: Callable[..., Result], arguments: Sequence[tuple[Any, ...]], *, jobs: int
) -> Iterator[Result]:
    """Call ``work`` with each tuple of arguments and yield the results in order.

    Args:
        work: A function at the top level of a module.
        arguments: One tuple per case.
        jobs: Processes; 1 works in this one.
    """
    if jobs == 1 or len(arguments) < 2:
        yield from (work(*one) for one in arguments)
        return
    calls: Iterable[Any] = (delayed(work)(*one) for one in arguments)
    yield from Parallel(n_jobs=min(jobs, len(arguments)), return_as="generator")(calls)
