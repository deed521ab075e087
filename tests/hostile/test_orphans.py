"""Workers whose parent is killed end too, and keep what a training has learnt."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cmda_core import orphans
from cmda_core.orphans import work_for

PARENT = """
import os, sys, time
from pathlib import Path
from cmda_core.interrupts import interruptible
from cmda_core.workers import Workers

def work(folder, name):
    Path(folder, f"{name}.begun").touch()
    with interruptible():
        try:
            time.sleep(600)
        except KeyboardInterrupt:
            Path(folder, f"{name}.kept").touch()
            raise

list(Workers(jobs=2).each(work, [(sys.argv[1], name) for name in "ab"]))
"""


def wait_for(what: Callable[[], bool]) -> None:
    for _ in range(1200):
        if what():
            return
        time.sleep(0.1)
    pytest.fail("waited for two minutes")


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(textwrap.dedent(PARENT))
    process = subprocess.Popen([sys.executable, str(script), str(tmp_path)])  # noqa: S603
    try:
        wait_for(lambda: len(list(tmp_path.glob("*.begun"))) == 2)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    wait_for(lambda: len(list(tmp_path.glob("*.kept"))) == 2)


def test_work_in_the_same_process_is_not_watched() -> None:
    assert work_for(os.getpid(), pow, 3, 2) == 9
    assert not orphans._watched.is_set()
