"""Runs that must end: each in a process of its own, which is stopped when its time is up.

A plugin that hangs cannot be asked to stop, and one that crashes takes its process with it. Either way
the other entries go on.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from cmda_core.errors import RunError

Result = TypeVar("Result")

GRACE_SECONDS = 20
"""Between the signal that lets a run leave its folder in order and the one that lets it do nothing more."""


def within(seconds: float, work: Callable[..., Result], arguments: tuple[Any, ...]) -> Result:
    """Call a function in a new process.

    Args:
        seconds: Until it is stopped.
        work: A function at the top level of a module.
        arguments: Of the call.

    Raises:
        RunError: If its time is up, or its process died.
    """
    # A forked process would share the threads' locks and the GPU of this one.
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(sender, work, arguments))
    process.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            raise RunError(f"was stopped after {seconds / 60:g} minutes (limit_minutes)")
        result: Result = receiver.recv()
    except EOFError:
        process.join()
        raise RunError(f"its process died ({_how(process.exitcode)})") from None
    finally:
        _end(process)
        receiver.close()
    return result


def _work(sender: Connection, work: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    try:
        sender.send(work(*arguments))
    except KeyboardInterrupt:  # its time is up
        return
    finally:
        sender.close()


def _end(process: BaseProcess) -> None:
    process.join(1)
    if process.is_alive():
        process.terminate()
        process.join(GRACE_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit status {code}"
