"""Work per case through joblib, whose backends reach from one process to a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from typing import Any, TypeVar

from cmda_core.errors import ResourceError
from cmda_core.progress import Progress, Silent

Result = TypeVar("Result")


def each_case(
    work: Callable[..., Result],
    arguments: Sequence[tuple[Any, ...]],
    *,
    names: Sequence[str],
    jobs: int,
    what: str = "work",
    progress: Progress | None = None,
) -> Iterator[Result]:
    """Call ``work`` with each tuple of arguments and yield the results in order.

    If the system kills a process, mostly because memory is short, what is left is done again in one
    process at a time. The same results come from any number of processes.

    Args:
        work: A function at the top level of a module.
        arguments: One tuple per case.
        names: Of the cases, for messages.
        jobs: Processes; 1 works in this one, -1 takes one per core.
        what: Is done, in a few words, for the progress bar.
        progress: Where to show how far it has come.

    Raises:
        ResourceError: If a process is killed that was the only one.
    """
    shown = progress or Silent()
    with shown.task(what, len(arguments)) as advance:
        for result in _results(work, arguments, names, jobs, what, shown):
            yield result
            advance(1)


def _results(
    work: Callable[..., Result],
    arguments: Sequence[tuple[Any, ...]],
    names: Sequence[str],
    jobs: int,
    what: str,
    progress: Progress,
) -> Iterator[Result]:
    if jobs == 1 or len(arguments) < 2:
        yield from (work(*one) for one in arguments)
        return
    done = 0
    try:
        for result in _parallel(work, arguments, jobs=min(jobs, len(arguments))):
            done += 1
            yield result
        return
    except BrokenExecutor:
        progress.note(
            f"{what}: the system killed a process, as it does when memory is short. The other "
            f"{len(arguments) - done} of {len(arguments)} cases are done one at a time."
        )
    for one, name in zip(arguments[done:], names[done:], strict=True):
        try:
            # One call each: killed in a longer one, a process would take results with it that it had sent.
            yield from _parallel(work, [one], jobs=2)
        except BrokenExecutor as error:
            raise ResourceError(
                f"{what}: case {name}: the system killed the process that worked on it, as it does when "
                "memory is short. Free some memory, or leave the case out. The same command goes on with it."
            ) from error


def _parallel(
    work: Callable[..., Result], arguments: Sequence[tuple[Any, ...]], *, jobs: int
) -> Iterator[Result]:
    from joblib import Parallel, delayed

    results: Iterator[Result] = Parallel(n_jobs=jobs, return_as="generator")(
        delayed(work)(*one) for one in arguments
    )
    return results
