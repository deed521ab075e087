"""Shows how far long work has come, on stderr: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from cmda_core.progress import Advance

SHORT_SECONDS = 2.0
"""What is done sooner is not worth a line."""

REPORT_SECONDS = 15.0
"""Between two lines of a task, where there are no bars."""

RESUME_SECONDS = 1.0
"""What is reported sooner was done by an earlier attempt, and says nothing about the speed of this one."""


class BarProgress:
    """Bars with the time that has passed and the time that is left.

    Args:
        console: A terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Draw bars for as long as the block runs."""
        with self._bars:
            yield

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Advance]:
        """Show a bar; a long task leaves a line behind."""
        start = time.monotonic()
        row = self._bars.add_task(description, total=total)
        try:
            yield lambda steps: self._bars.advance(row, steps)
        finally:
            self._bars.remove_task(row)
        seconds = time.monotonic() - start
        if seconds >= SHORT_SECONDS:
            self.note(f"{description}: {total} done in {duration(seconds)}")

    def note(self, message: str) -> None:
        """Print a line above the bars."""
        self._console.print(message, markup=False, highlight=False)


class LineProgress:
    """Plain lines, at most one per task every few seconds, for log files.

    Args:
        write: Prints one line.
        clock: Seconds.
    """

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Advance]:
        """Print how much is done, and how long it took and will take."""
        start = since = self._clock()
        done = before = 0

        def advance(steps: int) -> None:
            nonlocal done, before, since
            done += steps
            now = self._clock()
            if now - start < RESUME_SECONDS:
                before, since = done, now
            elif now - since >= REPORT_SECONDS and before < done < total:
                left = (now - since) / (done - before) * (total - done)
                before, since = done, now
                self._write(f"{description}: {done}/{total}, {duration(now - start)}, {duration(left)} left")

        yield advance
        seconds = self._clock() - start
        if seconds >= SHORT_SECONDS:
            self._write(f"{description}: {done}/{total} done in {duration(seconds)}")

    def note(self, message: str) -> None:
        """Print a line."""
        self._write(message)


def duration(seconds: float) -> str:
    """Such as ``4 s``, ``2:05`` or ``1:02:05``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
