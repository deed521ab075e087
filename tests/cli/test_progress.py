from __future__ import annotations

import io

import pytest
from rich.console import Console

from cmda_cli.progress import BarProgress, LineProgress, duration


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_lines_tell_elapsed_and_remaining_time() -> None:
    lines: list[str] = []
    clock = Clock()
    with LineProgress(lines.append, clock).task("train", 4) as advance:
        for _ in range(4):
            clock.now += 20
            advance(1)
    assert lines == [
        "train: 1/4, 20 s, 1:00 left",
        "train: 2/4, 40 s, 40 s left",
        "train: 3/4, 1:00, 20 s left",
        "train: 4/4 done in 1:20",
    ]


def test_steps_of_an_earlier_attempt_do_not_make_this_one_look_fast() -> None:
    lines: list[str] = []
    clock = Clock()
    with LineProgress(lines.append, clock).task("train", 10) as advance:
        advance(6)
        for _ in range(2):
            clock.now += 20
            advance(1)
    assert lines[:2] == ["train: 7/10, 20 s, 1:00 left", "train: 8/10, 40 s, 40 s left"]


def test_short_work_prints_nothing() -> None:
    lines: list[str] = []
    with LineProgress(lines.append, Clock()).task("quick", 3) as advance:
        advance(3)
    assert lines == []


def test_bars_show_brackets_as_they_are() -> None:
    stream = io.StringIO()
    progress = BarProgress(Console(file=stream, force_terminal=True, width=100))
    with progress.showing(), progress.task("case [1]", 2) as advance:
        advance(1)
        progress.note("stage [a]")
    assert "stage [a]" in stream.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1:00"), (125, "2:05"), (3725, "1:02:05")]
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
