"""Real commands on a real terminal: Ctrl-C, SIGTERM, and two of them in one folder."""

from __future__ import annotations

import errno
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cmda_toy
import pytest
import yaml

from cmda_core.errors import RunError
from cmda_core.pipeline import load_experiment, run_experiment
from cmda_core.progress import Silent
from cmda_core.training.state import load_state

STEPS = 60
TOYS = Path(cmda_toy.__file__).parent
COMMAND = (
    "import sys, time, cmda_toy; from cmda_core.registry import Registry; from cmda_cli.main import main;"
    "Registry.installed = cmda_toy.registry;"
    "slices = cmda_toy.SliceSampler.batch;"
    "cmda_toy.SliceSampler.batch = lambda *a, **b: (time.sleep(SECONDS), slices(*a, **b))[1];"
    "sys.argv[0] = 'cmda'; main()"
)
"""The command ``cmda`` with toy plugins, each of whose training steps takes a while."""


class Terminal:
    """A command on a terminal of its own, as if a person had typed it."""

    def __init__(self, arguments: list[str], seconds: float) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", COMMAND.replace("SECONDS", str(seconds)), *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": _python_path(), "TERM": "xterm"},
            preexec_fn=lambda: (os.setsid(), _control(slave)),  # a shell does the same
        )
        os.close(slave)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def ended(self) -> tuple[int, str]:
        """Exit status and all that was shown."""
        shown = b""
        while True:
            try:
                part = os.read(self._master, 65536)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                part = b""
            if not part:
                break
            shown += part
        os.close(self._master)
        return self.process.wait(30), shown.decode(errors="replace")


def _control(slave: int) -> None:
    import fcntl
    import termios

    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)


def _python_path() -> str:
    return os.pathsep.join([str(TOYS), os.environ.get("PYTHONPATH", "")])


@pytest.fixture
def experiment(scans: Path) -> Path:
    toy = {"plugin": "toy", "steps": STEPS}
    path = scans.parent / "experiment.yaml"
    content = {
        "name": "toy",
        "data": {"root": str(scans), "reference": str(scans / "crossmoda2022_reference")},
        **dict.fromkeys(("preprocessor", "translator", "segmenter", "grader"), toy),
        "runtime": {"device": "cpu", "threads": 1},
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    for _ in range(6000):
        if path.exists():
            return
        assert process.poll() is None, "ended early"
        time.sleep(0.05)
    raise AssertionError(f"{path} never came")


def go_on(experiment: Path, run: Path) -> None:
    """As the command would, in this process."""
    run_experiment(load_experiment(str(experiment)), run, registry=cmda_toy.registry(), progress=Silent())


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM"])
def test_an_interrupt_keeps_what_is_done_and_says_how_to_go_on(
    experiment: Path, same_results: Callable[[Path, Path], None], tmp_path: Path, how: str
) -> None:
    run = tmp_path / "run"
    arguments = ["run", str(experiment), "--out", str(run)]
    terminal = Terminal(arguments, seconds=0.1)
    log = run / "translator" / "training.csv"  # its first lines come before the first checkpoint
    wait_for(log, terminal.process)
    if how == "Ctrl-C":
        terminal.type(b"\x03")
    else:
        terminal.process.send_signal(signal.SIGTERM)
    code, shown = terminal.ended()
    assert code == 130, shown
    assert "Traceback" not in shown
    last = shown.strip().splitlines()[-1]
    assert last == f"interrupted. What is done is kept in {run}. The same command goes on where it stopped."
    done = load_state(run / "translator" / "checkpoint.safetensors")["done"]
    assert 5 <= done < STEPS
    assert done % 10, "it is a checkpoint that would have been written anyhow"

    for folder in (run, tmp_path / "whole"):
        go_on(experiment, folder)
    same_results(run, tmp_path / "whole")


def test_a_second_command_in_the_same_folder_is_sent_away(experiment: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = ["run", str(experiment), "--out", str(run)]
    first = Terminal(arguments, seconds=0.05)
    wait_for(run / "translator", first.process)
    with pytest.raises(RunError, match="another process is working in this run"):
        go_on(experiment, run)
    assert first.process.poll() is None
    code, shown = first.ended()
    assert code == 0, shown
