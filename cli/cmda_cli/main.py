"""Entry point of the command ``cmda``: runs a command and turns errors into messages."""

from __future__ import annotations

import sys

from cmda_core.errors import CmdaError


def main() -> None:
    """Run a command; what a user can mend is printed without a traceback and exits with status 1."""
    from cmda_cli.app import app
    from cmda_cli.output import print_error

    try:
        app()
    except CmdaError as error:
        print_error(str(error))
        sys.exit(1)
