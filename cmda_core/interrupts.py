"""Ctrl-C and SIGTERM: work stops in order, and a training first keeps what it has learnt."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C, as `KeyboardInterrupt`, for as long as the block runs."""
    with _handled((signal.SIGTERM,), _interrupt):
        yield


@contextmanager
def finishing_steps() -> Iterator[Callable[[], bool]]:
    """Let the step that is being done end before an interrupt is heeded; a second one stops at once.

    Yields:
        Tells whether an interrupt has come. Whoever asks then raises `KeyboardInterrupt`, after
        having kept what is worth keeping.
    """
    came = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal came
        if came:
            _interrupt(number, frame)
        came = True

    with _handled(_SIGNALS, remember):
        yield lambda: came
        if came:  # after the last time that anybody asked
            raise KeyboardInterrupt


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _handled(
    signals: tuple[signal.Signals, ...], handler: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only that one may set handlers
        yield
        return
    before = {number: signal.signal(number, handler) for number in signals}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, signal.SIG_DFL if previous is None else previous)
