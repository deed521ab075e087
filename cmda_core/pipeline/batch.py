"""Work on several scans, of which one may fail without stopping the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from cmda_core.errors import CmdaError, NotTrainedError, OutputError
from cmda_core.progress import Progress
from cmda_core.schema import Case

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch(Generic[Result]):
    """What came of several scans.

    Attributes:
        done: Results of the scans that went through, in their order.
        failed: What was wrong with the others, by the name of their case.
    """

    done: tuple[Result, ...]
    failed: Mapping[str, str]


def each_scan(
    scans: Sequence[Case], work: Callable[[Case], Result], *, verb: str, progress: Progress
) -> Batch[Result]:
    """Call ``work`` with one scan after the other.

    A scan that fails is left out and reported; what has to do with all of them (a model without
    weights, a full disk) ends the work. A single scan has no others: its error is raised.

    Args:
        scans: With names that are unique.
        work: Makes the result of one scan, and writes its files whole or not at all.
        verb: Shown while the work goes on.
        progress: Shows how far the work has come.

    Raises:
        CmdaError: If there is one scan and it cannot be used, or nothing can be done or written.
    """
    done: list[Result] = []
    failed: dict[str, str] = {}
    with progress.task(verb, len(scans)) as advance:
        for scan in scans:
            try:
                done.append(work(scan))
            except (NotTrainedError, OutputError):
                raise
            except CmdaError as error:
                if len(scans) == 1:
                    raise
                failed[scan.id] = str(error)
            except Exception as error:
                if len(scans) == 1:
                    raise
                # A bug, and it keeps its traceback; but the scans after this one may go through.
                _log.exception("%s: %s failed", scan.image, verb)
                failed[scan.id] = f"{scan.image}: unexpected {type(error).__name__}: {error}"
            advance(1)
    return Batch(tuple(done), failed)
