"""Worker processes that the system kills, and too little shared memory for them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from contextlib import nullcontext
from pathlib import Path
from threading import Timer
from time import sleep
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from killed_workers import square_unless_killed

from cmda_core.errors import ResourceError
from cmda_core.parallel import each_case
from cmda_core.progress import Silent
from cmda_nnunet.batches import Batches
from cmda_nnunet.workers import WorkersError, load, require_shared_memory


class Notes(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, message: str) -> None:
        self.lines.append(message)


def squares(count: int, progress: Notes, *, once: Path | None = None, always: int | None = None) -> list[int]:
    return list(
        each_case(
            square_unless_killed,
            [(number, once, always, os.getpid()) for number in range(count)],
            names=[f"case-{number}" for number in range(count)],
            jobs=2,
            what="squares",
            progress=progress,
        )
    )


def test_a_process_that_is_killed_once(tmp_path: Path) -> None:
    notes = Notes()
    assert squares(8, notes, once=tmp_path / "once") == [number * number for number in range(8)]
    assert len(notes.lines) == 1
    assert notes.lines[0].startswith("squares: the system killed a process")


def test_a_case_whose_process_is_killed_every_time_is_named() -> None:
    with pytest.raises(ResourceError, match=r"squares: case case-5: the system killed.*memory"):
        squares(8, Notes(), always=5)


class Loader:
    """Draws from the global generators, as nnU-Net's loader does."""

    def generate_train_batch(self) -> dict[str, Any]:
        return {"data": torch.rand(4, 1, 8, 8), "noise": np.random.rand(3)}  # noqa: NPY002


def test_batches_are_the_same_from_any_number_of_workers() -> None:
    made = Batches(Loader(), lambda number: 7 + number, 2, 8)
    here, one, two = (list(load(made, count, pin_memory=False)) for count in (0, 1, 2))
    for other in (one, two):
        assert len(here) == len(other) == 6
        for first, second in zip(here, other, strict=True):
            assert all(torch.equal(first[key], second[key]) for key in ("data", "noise"))


class DyingLoader(Loader):
    """Its process is killed as the third batch is made, or while that one waits to be fetched."""

    def __init__(self, seconds: float) -> None:
        self._main, self._seconds = os.getpid(), seconds

    def generate_train_batch(self) -> dict[str, Any]:
        if os.getpid() != self._main and torch.initial_seed() == 2:
            killer = Timer(self._seconds, os.kill, (os.getpid(), signal.SIGKILL))
            killer.start()
            if not self._seconds:
                killer.join()
        return super().generate_train_batch()


@pytest.mark.parametrize("seconds", [0, 0.2], ids=["at work", "before its batch is fetched"])
def test_death_of_a_worker_is_told_where_a_batch_is_waited_for(seconds: float) -> None:
    batches = load(Batches(DyingLoader(seconds), lambda number: number, 0, 6), 1, pin_memory=False)
    next(batches)
    sleep(0.5)  # neither here: torch would raise it in the midst of anything
    assert not getattr(signal.getsignal(signal.SIGCHLD), "__module__", "").startswith("torch.")
    with pytest.raises(WorkersError):
        list(batches)


def test_what_batches_need_of_the_shared_memory_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = {"data": torch.zeros(1000), "target": [torch.zeros(500), torch.zeros(500)], "keys": ["a"]}
    for free, enough in ((2 * 2 * 3 * 8000, True), (2 * 2 * 3 * 8000 - 1, False)):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        with nullcontext() if enough else pytest.raises(WorkersError, match="2 workers need"):
            require_shared_memory(batch, workers=2)


SHARED_MEMORY = ("64k", "256k", "64m")
"""Too little for the semaphores of the workers; too little for their batches; enough."""


@pytest.mark.slow
def test_too_little_shared_memory_for_loader_workers(tmp_path: Path) -> None:
    """As in a container without --shm-size, but in a corner of the file system of one process."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("only root may change /dev/shm for a process")
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent("""
        import sys
        from pathlib import Path
        from cmda_core.progress import Silent
        from cmda_core.registry import Registry
        from cmda_core.run import Run
        from cmda_core.schema import Runtime, Task, parse_settings
        from cmda_core.testing.cohorts import segmentation_data
        class Notes(Silent):
            def note(self, message):
                print("note:", message, file=sys.stderr)
        folder = Path(sys.argv[1])
        plugin = Registry.installed().segmenter("nnunet")
        settings = dict(plugin.tiny) | {"augmentation_workers": 2, "batch_size": 8}
        segmenter = plugin.build(parse_settings(plugin.config, settings, "here"), Task())
        runtime = Runtime(device="cpu", threads=1)
        segmenter.fit(segmentation_data(folder, Task()), Run(folder / "run", runtime, Notes()))
        segmenter.save(folder / "model")
        """)
    )
    outputs = []
    for size in SHARED_MEMORY:
        folder = tmp_path / size
        folder.mkdir()
        command = f"mount -t tmpfs -o size={size} tmpfs /dev/shm && exec {sys.executable} {script} {folder}"
        done = subprocess.run(  # noqa: S603
            ["unshare", "--mount", "sh", "-c", command],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
        if "unshare:" in done.stderr or "mount:" in done.stderr:
            pytest.skip(f"no namespaces here: {done.stderr.strip()}")
        assert done.returncode == 0, done.stderr[-2000:]
        outputs.append(done.stderr)
    assert ["an augmentation worker died" in output for output in outputs] == [True, True, False]
    weights = [(tmp_path / size / "model" / "fold_all.safetensors").read_bytes() for size in SHARED_MEMORY]
    assert weights[0] == weights[1] == weights[2]
