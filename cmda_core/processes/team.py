"""The leader's side: its followers, and the calls that it makes together with them."""

from __future__ import annotations

import atexit
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from cmda_core.errors import BrokenPluginError, ConfigError, RunError
from cmda_core.processes.meeting import Call, Meeting, Work
from cmda_core.processes.place import Launch, Place, forget_launch, launched
from cmda_core.processes.watch import Watch

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from cmda_core.schema import Runtime

_HERE = "127.0.0.1"
_LAST_WORDS_SECONDS = 5.0


@dataclass
class Team:
    """A leader and its followers.

    Attributes:
        launch: Place of the leader, and where it is met.
        meeting: The leader's view of the store.
        children: Followers that the leader has started itself.
        calls: How many were made.
    """

    launch: Launch
    meeting: Meeting
    children: tuple[BaseProcess, ...] = ()
    calls: int = 0

    def make(self, call: Call, own: Callable[[Place], None]) -> None:
        """Make a call together; see `together`."""
        number = self.calls
        self.calls += 1
        self.meeting.call(number, call)
        with Watch(self.launch, self.children) as watch:

            def wait() -> None:
                while not self.meeting.await_all(number, seconds=1.0):
                    watch.check()

            def failed(error: BaseException) -> None:
                # Torch says no more than that a process is lost, and the plugin that hears it is blamed.
                lost = error.__cause__ if isinstance(error, BrokenPluginError) else error
                reason = watch.reason(_LAST_WORDS_SECONDS) if isinstance(lost, RuntimeError) else None
                if reason is not None:
                    raise RunError(_advice(reason)) from error
                with suppress(RuntimeError):
                    self.meeting.fail(str(error))
                if isinstance(lost, RuntimeError) and "gloo" in str(lost):
                    raise RunError(_advice("another process of the training was lost.")) from error

            self.meeting.make(number, call.device, own, wait, failed)


def company(runtime: Runtime) -> int:
    """Number of processes that share a training.

    Raises:
        ConfigError: If ``runtime.devices`` contradicts the launcher, or asks for more than there are.
    """
    team = _taken()
    if team is None:
        return runtime.devices
    place = team.launch.place
    if runtime.devices not in (1, place.local_size):
        raise ConfigError(
            f"runtime.devices = {runtime.devices}: the launcher has started {place.local_size} processes on "
            "each machine. Leave it out, or start as many."
        )
    return place.size


def require_devices(runtime: Runtime, device: str) -> None:
    """Make sure that every process of a training finds its device.

    Args:
        runtime: How many there should be.
        device: ``cuda``, ``mps`` or ``cpu``.

    Raises:
        ConfigError: If there are fewer.
    """
    import torch

    team = _taken()
    wanted = runtime.devices if team is None else team.launch.place.local_size
    found = {"cuda": torch.cuda.device_count(), "mps": 1}.get(device, wanted)
    if wanted > found:
        raise ConfigError(
            f"runtime.devices: {wanted} {device} devices are asked for, and this machine has {found} that "
            "can be seen. Ask for fewer, or make more visible."
        )


def take_place(work: Work) -> None:
    """Take the place that a launcher has given to this process, if one has.

    A follower does not come back: it makes the leader's calls, and its process ends with the leader's.

    Args:
        work: What a follower does when it is called.
    """
    launch = launched(os.environ)
    if launch is not None and not launch.place.leads:
        from cmda_core.processes.follower import follow

        forget_launch(os.environ)
        sys.exit(follow(launch, work))
    _taken()


@cache
def _taken() -> Team | None:
    """The team that a launcher has made this process the leader of."""
    launch = launched(os.environ)
    if launch is None:
        return None
    forget_launch(os.environ)
    team = Team(launch, Meeting(launch, serve=launch.serves))
    atexit.register(_dismiss, team)
    return team


def together(size: int, call: Call, work: Work, own: Callable[[Place], None]) -> None:
    """Make a call in all processes of a training, and come back when all have made it.

    Args:
        size: Number of processes; those that are missing are started, and end with the call.
        call: What it is.
        work: What a follower does that is started here.
        own: This process's part of it.

    Raises:
        RunError: If another process fails.
    """
    team = _taken()
    if team is not None:
        team.make(call, own)
        return
    with _started(size, work) as started:
        started.make(call, own)


@contextmanager
def _started(size: int, work: Work) -> Iterator[Team]:
    from multiprocessing import get_context

    from cmda_core.processes.follower import serve

    # Stores of torch listen to the whole network and ask for no password: none can guess this name.
    alone = Launch(Place(0, size, 0, size), _HERE, 0, prefix=f"cmda/{secrets.token_hex(16)}")
    meeting = Meeting(alone, serve=True)
    launch = replace(alone, port=meeting.port)
    others = (replace(launch, place=Place(rank, size, rank, size)) for rank in range(1, size))
    children = [
        get_context("spawn").Process(target=serve, args=(other, work), daemon=True) for other in others
    ]
    try:
        for child in children:
            child.start()
        yield (team := Team(launch, meeting, tuple(children)))
        _dismiss(team)
        for child in children:
            child.join(_LAST_WORDS_SECONDS)
    finally:
        for child in children:
            if child.is_alive():
                child.kill()


def _dismiss(team: Team) -> None:
    with suppress(RuntimeError):  # nobody may be left
        team.meeting.dismiss(team.calls)


def _advice(reason: str) -> str:
    return f"{reason} The training has stopped; the same command goes on from its last checkpoint."
