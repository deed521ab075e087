"""Work per case, done by processes of this machine or by the workers of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from cmda_core.errors import ResourceError, WorkerDiedError
from cmda_core.progress import Progress, Silent
from cmda_core.workers import Workers

Result = TypeVar("Result")


def each_case(
    work: Callable[..., Result],
    arguments: Sequence[tuple[Any, ...]],
    *,
    names: Sequence[str],
    jobs: int | Workers,
    what: str = "work",
    progress: Progress | None = None,
) -> Iterator[Result]:
    """Call ``work`` with each tuple of arguments and yield the results in order.

    If the system kills a process of this machine, mostly because memory is short, what is left is done
    again in one process at a time; a cluster sees to its workers itself. The same results come from any
    number of processes.

    Args:
        work: A function at the top level of a module, or a method of what can be sent to a process.
        arguments: One tuple per case.
        names: Of the cases, for messages.
        jobs: Processes; 1 works in this one, -1 takes one per core. Or whoever does the work instead.
        what: Is done, in a few words, for the progress bar.
        progress: Where to show how far it has come.

    Raises:
        ResourceError: If a process is killed that was the only one.
    """
    shown = progress or Silent()
    workers = jobs if isinstance(jobs, Workers) else Workers(jobs=jobs)
    with shown.task(what, len(arguments)) as advance:
        for result in _results(work, arguments, names, workers, what, shown):
            yield result
            advance(1)


def _results(
    work: Callable[..., Result],
    arguments: Sequence[tuple[Any, ...]],
    names: Sequence[str],
    workers: Workers,
    what: str,
    progress: Progress,
) -> Iterator[Result]:
    done = 0
    try:
        for result in workers.each(work, arguments):
            done += 1
            yield result
        return
    except WorkerDiedError:
        progress.note(
            f"{what}: the system killed a process, as it does when memory is short. The other "
            f"{len(arguments) - done} of {len(arguments)} cases are done one at a time."
        )
    for one, name in zip(arguments[done:], names[done:], strict=True):
        try:
            # One call each: killed in a longer one, a process would take results with it that it had sent.
            yield from workers.each(work, [one], one_at_a_time=True)
        except WorkerDiedError as error:
            raise ResourceError(
                f"{what}: case {name}: the system killed the process that worked on it, as it does when "
                "memory is short. Free some memory, or leave the case out. The same command goes on with it."
            ) from error
