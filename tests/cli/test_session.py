"""What a command says of threads that fail, and of what libraries log."""

from __future__ import annotations

import logging
import threading

import pytest
import typer

from cmda_cli.session import session


def fail(error: type[Exception], name: str) -> None:
    def work() -> None:
        raise error(5)

    thread = threading.Thread(target=work, name=name)
    thread.start()
    thread.join()


def test_only_joblibs_stumbling_thread_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda failed: told.append(failed.thread.name))
    with session():
        fail(KeyError, "ExecutorManagerThread")
        fail(ValueError, "ExecutorManagerThread")
        fail(KeyError, "another")
    fail(KeyError, "afterwards")
    assert told == ["ExecutorManagerThread", "another", "afterwards"]


def test_it_may_stumble_after_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda failed: told.append(failed.thread.name))
    with pytest.raises(typer.Exit), session():
        raise KeyboardInterrupt
    fail(KeyError, "ExecutorManagerThread")
    fail(OSError, "ExecutorManagerThread")
    fail(OSError, "another")
    assert told == ["another"]


@pytest.mark.parametrize("verbose", [False, True])
def test_what_libraries_log_is_shown_on_demand_alone(verbose: bool) -> None:
    """Even by libraries that set level and handler of their own, when they are imported."""
    shown: list[str] = []
    library = logging.getLogger("library")
    handler = logging.Handler()
    handler.emit = lambda record: shown.append(record.getMessage())
    library.addHandler(handler)
    with session(verbose=verbose):
        library.setLevel(logging.INFO)
        library.info("Use a tuner!")
        library.error("No memory.")
    library.info("afterwards")
    library.removeHandler(handler)
    assert shown == [*["Use a tuner!"] * verbose, "No memory.", "afterwards"]
