"""Entry point of the command ``cmda``: runs a command and turns errors into messages."""

from __future__ import annotations

import os
import sys

from cmda_core.errors import CmdaError


def main() -> None:
    """Run a command; what a user can mend is printed without a traceback and exits with status 1."""
    # Read by OpenMP when torch is loaded. Threads that wait spinning for long slow a training down tenfold
    # where another process needs their core; threads that do not spin at all take twice the time alone.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    from cmda_cli.app import app
    from cmda_cli.output import print_error
    from cmda_core.processes import take_place

    take_place()  # of several processes that a launcher has started, one runs the command and the others help
    try:
        app()
    except CmdaError as error:
        print_error(str(error))
        sys.exit(1)
