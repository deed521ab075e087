"""Ends workers whose parent was killed: they would hold their run, and the GPU, for as long as they work."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")

POLL_SECONDS = 1.0
GRACE_SECONDS = 60.0
"""How long a worker has to end its step and keep what it has learnt."""

_watched = threading.Event()


def work_for(parent: int, work: Callable[..., Result], *arguments: Any) -> Result:
    """Do a piece of work in a child process, for as long as its parent lives.

    When the parent is gone the process gets SIGTERM, as if somebody had stopped it: a training keeps what
    it has learnt. If that does not end it, it is ended.

    Args:
        parent: Process that started this one, or this one: then nothing is watched.
        work: What to do.
        arguments: What to do it with.
    """
    if os.getpid() != parent and not _watched.is_set():
        _watched.set()
        threading.Thread(target=_watch, args=(parent,), daemon=True, name="orphans").start()
    return work(*arguments)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)
