"""The training loop: interrupts, and how many files a long training leaves."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cmda_core.run import Run
from cmda_core.schema import Runtime
from cmda_core.training.loop import MOST_PICTURES, Trainable, seed_everything, train
from cmda_core.training.state import load_state

Before = Callable[[int], None]


def nothing(_: int) -> None:
    """Before a step."""


def fit(folder: Path, before: Before = nothing, *, steps: int = 20, save_every: int = 8) -> nn.Linear:
    """Fits a line to noise; logs every five steps, and makes a picture at checkpoints."""
    run = Run(folder, Runtime(device="cpu", threads=1))
    seed_everything(3)
    line = nn.Linear(2, 1)
    adam = torch.optim.Adam(line.parameters(), 0.1)

    def step(number: int) -> Mapping[str, Tensor]:
        before(number)
        loss = (line(torch.randn(4, 2)) - torch.randn(4, 1)).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        return {"loss": loss.detach()}

    train(
        run,
        Trainable({"line": line}, {"adam": adam}),
        step,
        steps=steps,
        description="line",
        save_every=save_every,
        log_every=5,
        on_save=lambda done: (folder / f"step-{done}.png").touch(),
    )
    return line


def interrupting(at: int, number: int = signal.SIGINT, times: int = 1) -> Before:
    def before(step: int) -> None:
        if step == at:
            for _ in range(times):
                os.kill(os.getpid(), number)

    return before


def left(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", [0, 6, 7, 13])
def test_an_interrupt_keeps_the_step_and_nothing_of_it_is_seen_in_the_end(
    tmp_path: Path, at: int, number: int
) -> None:
    fit(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "broken", interrupting(at, number))
    assert load_state(tmp_path / "broken" / "checkpoint.safetensors")["done"] == at + 1
    fit(tmp_path / "broken")
    assert left(tmp_path / "broken") == left(tmp_path / "whole")


def test_a_second_interrupt_does_not_wait_for_the_step(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, interrupting(4, times=2))
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_an_interrupt_in_the_last_step_is_not_lost(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, interrupting(19))
    fit(tmp_path, interrupting(19))  # nothing is left to do
    assert load_state(tmp_path / "checkpoint.safetensors")["done"] == 20


def test_handlers_are_put_back(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    fit(tmp_path, steps=1)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_thread_can_train(tmp_path: Path) -> None:
    thread = threading.Thread(target=fit, args=(tmp_path,))
    thread.start()
    thread.join()
    assert (tmp_path / "checkpoint.safetensors").exists()


@pytest.mark.parametrize("steps", [200, 400])
def test_the_number_of_files_does_not_grow_with_the_number_of_steps(tmp_path: Path, steps: int) -> None:
    fit(tmp_path, steps=steps, save_every=2)
    names = [path.name for path in tmp_path.iterdir()]
    assert sum(name.endswith(".png") for name in names) == MOST_PICTURES
    assert len(names) == MOST_PICTURES + 2
    assert f"step-{steps}.png" in names


def test_short_trainings_leave_a_picture_per_checkpoint(tmp_path: Path) -> None:
    fit(tmp_path, steps=20, save_every=8)
    assert {path.name for path in tmp_path.glob("*.png")} == {"step-8.png", "step-16.png", "step-20.png"}


@pytest.mark.parametrize(
    "rest", ["", "ste", "step,key,value\n5,lo", "step,key,value\n\x00\x00\n5,loss,0.5\n"]
)
def test_a_log_that_a_crash_has_cut_off(tmp_path: Path, rest: str) -> None:
    fit(tmp_path / "whole")
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "training.csv").write_text(rest)
    fit(tmp_path / "again")
    assert left(tmp_path / "again") == left(tmp_path / "whole")
