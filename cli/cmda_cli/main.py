"""Entry point of the command ``cmda``: runs a command and turns errors into messages."""

from __future__ import annotations

import io
import os
import sys

from cmda_core.errors import CmdaError


def main() -> None:
    """Run a command; what a user can mend is printed without a traceback and exits with status 1."""
    # Read by OpenMP when torch is loaded. Threads that wait spinning for long slow a training down tenfold
    # where another process needs their core; threads that do not spin at all take twice the time alone.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal's alphabet lacks is printed as an escape: it must not end a run.
            stream.reconfigure(errors="backslashreplace")
    try:
        from cmda_cli.app import app
        from cmda_cli.output import print_error
        from cmda_core.following import take_place

        take_place()  # of several processes that a launcher has started, all but one stay here to help it
        app()
    except KeyboardInterrupt:  # before or after the work of a command
        sys.exit(130)
    except CmdaError as error:
        print_error(str(error))
        sys.exit(1)
