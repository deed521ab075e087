"""Notices followers that fail, however they do, while the leader waits for them in a training."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from cmda_core.processes.meeting import Meeting
from cmda_core.processes.place import Launch

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

POLL_SECONDS = 0.5
GRACE_SECONDS = 20.0
"""How long the leader has to come out of a collective by itself; NCCL would let it wait for ever."""


class Watch:
    """Looks after the followers for as long as the block runs.

    Args:
        launch: Of the leader.
        children: Followers that it has started itself.
    """

    def __init__(self, launch: Launch, children: Sequence[BaseProcess]) -> None:
        # A connection of its own: one that waits lets no other thread use it.
        self._meeting = Meeting(launch)
        self._children = children
        self._reason: str | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="followers")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def check(self) -> None:
        """Raise if a follower has failed.

        Raises:
            RuntimeError: As torch does where a process is lost.
        """
        if self._reason is not None:
            raise RuntimeError(self._reason)

    def reason(self, seconds: float) -> str | None:
        """Why a follower has failed, if one does so within so many seconds."""
        end = time.monotonic() + seconds
        while self._reason is None and time.monotonic() < end:
            time.sleep(POLL_SECONDS / 5)
        return self._reason

    def _watch(self) -> None:
        while self._reason is None:
            if self._ended.wait(POLL_SECONDS):
                return
            self._reason = self._find()
        if not self._ended.wait(GRACE_SECONDS):
            print(f"error: {self._reason}", file=sys.stderr, flush=True)  # noqa: T201  # nobody else can
            os._exit(1)

    def _find(self) -> str | None:
        try:
            told = self._meeting.failure()
        except RuntimeError:  # the launcher has closed the store, and is about to end this process
            return None
        if told is not None:
            return told
        for number, child in enumerate(self._children, start=2):
            if child.exitcode:
                how = f"signal {-child.exitcode}" if child.exitcode < 0 else f"status {child.exitcode}"
                return f"process {number} of {len(self._children) + 1} ended with {how}."
        return None
