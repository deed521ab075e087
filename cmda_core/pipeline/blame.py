"""Names the plugin in whatever it raises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cmda_core.errors import BrokenPluginError, CmdaError, OutputError
from cmda_core.files import REFUSED, not_written

_LONGEST = 300


@contextmanager
def blamed(label: str, method: str, hint: str = "") -> Iterator[None]:
    """Call a plugin: an error that it did not mean for the user becomes one that names it.

    Args:
        label: Kind and name of the plugin.
        method: What is called, for the message.
        hint: What else than a bug may be the reason.

    Raises:
        BrokenPluginError: With the error as its cause, whose traceback ``--debug`` shows.
        OutputError: If the disk is what refused.
        CmdaError: As the plugin raised it.
    """
    try:
        yield
    except CmdaError:
        raise
    except OSError as error:
        if error.errno in REFUSED:
            told = not_written(error.filename or "a file", error)
            raise OutputError(f"{label}: {method}(): {told}") from error
        raise BrokenPluginError(f"{label}: {method}() raised {_said(error)}.") from error
    except (Exception, SystemExit) as error:  # whatever it is, the other entries go on
        advice = f"{hint} {_advice(error)}".lstrip()
        raise BrokenPluginError(f"{label}: {method}() raised {_said(error)}. {advice}") from error


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split())
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return f"{type(error).__name__}: {short}" if short else type(error).__name__


def _advice(error: BaseException) -> str:
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return "Choose a smaller batch or patch, or a machine with more memory."
    return "Tell its authors; --debug shows where it happened."
