"""Batches from worker processes, whose death is told of where a batch is waited for, and nowhere else."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from torch.utils.data import DataLoader

from cmda_nnunet.batches import Batch, Batches

_PATIENCE_SECONDS = 600
"""For a batch of a worker; those that take longer have died unseen."""

_LOOK_SECONDS = 5
"""After which it is looked whether the workers are still alive."""

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # where Linux keeps it
_WAITING = 3
"""Batches of a worker that exist at a time: two that wait, and one that is made."""


class WorkersError(RuntimeError):
    """Worker processes died, could not start, or have too little shared memory."""


def load(batches: Batches, workers: int, pin_memory: bool) -> Iterator[Batch]:
    """Go through batches.

    Args:
        batches: All of them, in their order.
        workers: Processes that make batches; 0 makes them in this one.
        pin_memory: Whether to lay them where a GPU fetches them faster.

    Returns:
        The batches. To ask for one raises :class:`WorkersError` if a worker failed.

    Raises:
        WorkersError: If the workers cannot start, as without shared memory.
    """
    if not workers:
        return iter(DataLoader(batches, batch_size=None, pin_memory=pin_memory))
    if len(batches):
        require_shared_memory(batches[0], workers)
    try:
        made = iter(
            DataLoader(
                batches, batch_size=None, num_workers=workers, timeout=_LOOK_SECONDS, pin_memory=pin_memory
            )
        )
    except (RuntimeError, OSError) as error:
        raise WorkersError(str(error)) from error
    _silence_alarm()
    return _fetched(made)


def require_shared_memory(batch: Batch, workers: int) -> None:
    """Find out whether workers can hand over batches: PyTorch waits for ever for one that has no room.

    Args:
        batch: One like those that they will make.
        workers: Number of processes of each of the two loaders.

    Raises:
        WorkersError: If the batches that wait to be used need more than is free.
    """
    if _SHARED_MEMORY.is_dir():
        needed = 2 * workers * _WAITING * sum(map(_bytes, batch.values()))
        if needed > shutil.disk_usage(_SHARED_MEMORY).free:
            raise WorkersError(f"{_SHARED_MEMORY}: {workers} workers need {needed / 1e6:.0f} MB.")


def _fetched(made: Iterator[Batch]) -> Iterator[Batch]:
    looks = 0
    while looks * _LOOK_SECONDS < _PATIENCE_SECONDS:
        try:
            batch = next(made)
        except StopIteration:
            return
        except (RuntimeError, OSError, EOFError) as error:
            if "timed out" not in str(error):
                # Of a dead worker, torch's connections to it say that they were reset, refused or at an end.
                raise WorkersError(str(error)) from error
            looks += 1
        else:
            looks = 0
            yield batch
    raise WorkersError(f"No batch came within {_PATIENCE_SECONDS} s.")


def _silence_alarm() -> None:
    """Take out torch's handler of the signal that a child process ended.

    It raises a worker's death in the main thread in the midst of whatever this does then, even where the
    exception is lost or taken for another. Without it, a loader that waits for a batch looks itself.
    """
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGCHLD"):
        alarm = signal.getsignal(signal.SIGCHLD)
        if getattr(alarm, "__module__", "").startswith("torch."):
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _bytes(part: object) -> int:
    if isinstance(part, list | tuple):
        return sum(map(_bytes, part))
    return int(getattr(part, "nbytes", 0))
