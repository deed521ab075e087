"""What surrounds the work of a command: progress, quiet libraries, interrupts, tracebacks."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

import typer
from rich.console import Console

from cmda_cli.output import print_note
from cmda_cli.progress import BarProgress, LineProgress
from cmda_core.errors import CmdaError, DataError
from cmda_core.interrupts import interruptible
from cmda_core.progress import Progress


@contextmanager
def session(
    *, verbose: bool = False, debug: bool = False, interrupted: str = "interrupted."
) -> Iterator[Progress]:
    """Do the work of a command; results are printed after the block.

    Args:
        verbose: Show what libraries log and warn of.
        debug: Show the traceback of an error before its message.
        interrupted: Printed on Ctrl-C and SIGTERM, which exit with status 130.
    """
    try:
        # Libraries print to stdout, which belongs to the results.
        with (
            redirect_stdout(sys.stderr),
            interruptible(),
            _calm_threads(),
            _logging(verbose),
            _progress() as progress,
        ):
            yield progress
    except KeyboardInterrupt:
        print_note(interrupted)
        raise typer.Exit(130) from None
    except CmdaError:
        if debug:
            traceback.print_exc()
        raise
    except OSError as error:
        if error.filename is None:
            raise
        if debug:
            traceback.print_exc()
        # Of a file that vanished, a folder that may not be read, a name that is too long: no bug.
        raise DataError(f"{error.filename}: cannot be used ({error.strerror}).") from error


@contextmanager
def _calm_threads() -> Iterator[None]:
    """Say nothing of the thread of joblib that stumbles over work which an interrupt took from it."""
    before = threading.excepthook
    stopped = False

    def tell(failed: threading.ExceptHookArgs) -> None:
        name = failed.thread and failed.thread.name
        if not (name == "ExecutorManagerThread" and (stopped or failed.exc_type is KeyError)):
            before(failed)

    threading.excepthook = tell
    try:
        yield
    except KeyboardInterrupt:
        stopped = True  # the thread may stumble for as long as the process lives, over anything
        raise
    except BaseException:
        threading.excepthook = before
        raise
    threading.excepthook = before


@contextmanager
def _progress() -> Iterator[Progress]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield LineProgress(print_note)
        return
    bars = BarProgress(console)
    with bars.showing():
        yield bars


@contextmanager
def _logging(verbose: bool) -> Iterator[None]:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    before = logging.root.manager.disable
    if not verbose:
        # Not by the levels of loggers: Lightning sets its own when it is imported, which is later than this.
        logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        if not verbose:
            warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(before)
