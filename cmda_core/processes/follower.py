"""What a process does that follows another: it waits for calls and makes them, together with the others."""

from __future__ import annotations

import signal
import sys
import traceback
import warnings
from contextlib import redirect_stdout
from functools import partial
from itertools import count

from cmda_core.errors import BrokenPluginError, CmdaError
from cmda_core.processes.meeting import Meeting, Work
from cmda_core.processes.place import Launch

_PATIENCE_SECONDS = 24 * 3600.0
"""How long to wait, after a call, for those that still make it."""


def serve(launch: Launch, work: Work) -> None:
    """Follow a leader that has started this process itself; Ctrl-C is for the leader alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(follow(launch, work))


def follow(launch: Launch, work: Work) -> int:
    """Make the leader's calls until it has no more.

    Args:
        launch: Place of this process, and where the leader is met.
        work: Does what a call says.

    Returns:
        Exit status: 0 if the leader said that it is done, 1 if a process failed.
    """
    with warnings.catch_warnings(), redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")  # the leader sees the same ones
        try:
            meeting = Meeting(launch)
            for number in count():
                call = meeting.await_call(number)
                if call is None:
                    return 0
                wait = partial(meeting.await_all, number, _PATIENCE_SECONDS)
                meeting.make(
                    number, call.device, partial(work, call.message), wait, partial(_tell, meeting, launch)
                )
        except KeyboardInterrupt:
            return 130
        except Exception:  # noqa: BLE001  # a plugin may raise anything, and the leader knows; or it has gone
            return 1
    return 0


def _tell(meeting: Meeting, launch: Launch, error: BaseException) -> None:
    if not isinstance(error, Exception):
        return
    who = f"process {launch.place.rank + 1} of {launch.place.size}"
    known = isinstance(error, CmdaError)
    first = meeting.fail(f"{who}: {error}" if known else f"{who}: unexpected {type(error).__name__}: {error}")
    if first and (not known or isinstance(error, BrokenPluginError)):
        traceback.print_exception(error)  # the leader has none to show
