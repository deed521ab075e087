"""What a command says of threads that fail."""

from __future__ import annotations

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
    assert told == []
