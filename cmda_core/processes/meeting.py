"""The store where processes meet: what the leader calls for, who is done, and what has gone wrong.

The store knows no passwords. Calls travel as JSON: a stranger may ask for the wrong work, but brings no
code along.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cmda_core.processes.place import Launch, Place


@dataclass(frozen=True, slots=True)
class Call:
    """What all processes do together.

    Attributes:
        message: Says what it is; of values that JSON knows.
        device: Where it computes: ``cuda`` or ``cpu``.
    """

    message: Mapping[str, Any]
    device: str


Work = Callable[[Mapping[str, Any], Place], None]
"""Does what a message says, as the process of that place; a function at the top level of a module."""


_FAILURE = "failure"
_LEADERS_STAGES = timedelta(days=365)  # between two trainings that can be shared the leader may work long
_START = timedelta(minutes=10)


class Meeting:
    """One process's view of the store.

    Args:
        launch: Where it is, and of which process.
        serve: Whether to open the port; otherwise another process does.
    """

    def __init__(self, launch: Launch, *, serve: bool = False) -> None:
        self._launch = launch
        place = launch.place
        self._tcp = _stores().TCPStore(
            launch.address, launch.port, place.size, serve, timeout=_START, wait_for_workers=False
        )
        self._store = _stores().PrefixStore(launch.prefix, self._tcp)

    @property
    def port(self) -> int:
        """Of the store; chosen by the system if the launch said 0."""
        return int(self._tcp.port)

    def group_store(self, number: int) -> Any:
        """A store for the process group of a call alone."""
        return _stores().PrefixStore(f"group/{number}", self._store)

    def call(self, number: int, call: Call) -> None:
        """Ask all followers to make a call."""
        self._store.set(_key(number), json.dumps({"message": call.message, "device": call.device}))

    def dismiss(self, number: int) -> None:
        """Tell all followers to go instead of making that call."""
        self._store.set(_key(number), "")

    def await_call(self, number: int) -> Call | None:
        """Wait, for days if need be, for a call; nothing if there are no more.

        Raises:
            RuntimeError: If the leader has gone.
        """
        self._store.wait([_key(number)], _LEADERS_STAGES)
        message = self._store.get(_key(number))
        return Call(**json.loads(message)) if message else None

    def make(
        self,
        number: int,
        device: str,
        work: Callable[[Place], None],
        wait: Callable[[], object],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Do this process's part of a call.

        Args:
            number: Of the call.
            device: Of the call.
            work: Does this process's part, given its place.
            wait: Comes back when all have done theirs: none may leave the group while another needs it.
            failed: Told of an error before the group is left: the others notice only that it is.
        """
        from cmda_core.processes.group import joined

        place = self._launch.place
        with joined(place, self.group_store(number), device):
            try:
                work(place)
                self._store.set(_done(number, place.rank), b"")
                wait()
            except BaseException as error:
                failed(error)
                raise

    def await_all(self, number: int, seconds: float) -> bool:
        """Whether all have done their part of a call within so many seconds."""
        keys = [_done(number, rank) for rank in range(self._launch.place.size)]
        try:
            self._store.wait(keys, timedelta(seconds=seconds))
        except RuntimeError:
            return False
        return True

    def fail(self, reason: str) -> bool:
        """Say why this process cannot go on; whether it is the first to say so."""
        return bool(self._store.compare_set(_FAILURE, "", reason).decode() == reason)

    def failure(self) -> str | None:
        """Why the first process that failed did so, if any did."""
        return self._store.get(_FAILURE).decode() if self._store.check([_FAILURE]) else None


def _stores() -> Any:  # what torch says of the types of its stores is not what they take
    import torch.distributed

    return torch.distributed


def _key(number: int) -> str:
    return f"call/{number}"


def _done(number: int, rank: int) -> str:
    return f"done/{number}/{rank}"
