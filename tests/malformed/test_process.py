"""A sample through the real command, in a process of its own: status, time, memory, no traceback."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from .corpus import Place
from .labels import truth
from .settings import BOMB
from .volumes import _bomb, scan

LARGEST_MIB = 2048
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    told: str
    seconds: float
    peak_mib: float


def cmda(folder: Path, *arguments: object) -> Ended:
    """Run the command and measure its CPU time, which a busy machine does not change, and its memory."""
    out = folder / "told.txt"
    with out.open("wb") as stream:
        process = subprocess.Popen(  # noqa: S603  # our own command
            [sys.executable, "-m", "cmda_cli", *map(str, arguments)],
            stdout=stream,
            stderr=stream,
            cwd=folder,
            env=ENVIRONMENT,
        )
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            done, status, usage = os.wait4(process.pid, os.WNOHANG)
            if done:
                process.returncode = os.waitstatus_to_exitcode(status)
                break
            time.sleep(0.05)
        else:
            process.kill()
            raise TimeoutError(f"{arguments} did not end")
    return Ended(
        process.returncode,
        out.read_text(errors="replace"),
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
    )


def evaluated(place: Place, name: str, make: Callable[[Path], None]) -> Ended:
    predictions, reference = place.folder / "predictions", place.folder / "truth"
    for folder in (predictions, reference):
        folder.mkdir()
    scan(reference / f"a_Label{name}", truth())
    make(predictions / f"a_Label{name}")
    return cmda(place.folder, "evaluate", predictions, reference, "--out", place.out)


def _require_clean(ended: Ended, *words: str) -> None:
    assert ended.code == 1, ended.told
    assert "Traceback" not in ended.told
    assert [word for word in words if word not in ended.told] == [], ended.told
    assert ended.peak_mib < LARGEST_MIB
    assert ended.seconds < 10 + 10  # of which loading the libraries takes most


def test_a_bomb(place: Place) -> None:
    dim = np.array([3, 1024, 1024, 1024, 1, 1, 1, 1])
    ended = evaluated(place, ".nii.gz", lambda path: _bomb(path, 4, dim=dim))
    _require_clean(ended, "a_Label.nii.gz", "dim")
    assert not place.out.exists()


def test_settings_that_grow(place: Place) -> None:
    (place.folder / "mine.yaml").write_text(BOMB)
    _require_clean(cmda(place.folder, "run", "mine.yaml", "--out", place.out), "mine.yaml", "values")
    assert not place.out.exists()


def test_a_wrong_command_line(place: Place) -> None:
    ended = cmda(place.folder, "run", "mine.yaml", "--set", "nothing")
    assert ended.code == 2
    assert "Traceback" not in ended.told


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_the_largest_scan_that_is_taken_fits_into_memory(dtype: str, place: Place) -> None:
    """Zeros of just below the limit, in a small file."""
    decoded = np.dtype(dtype).itemsize
    edge = int((5 * 2**28 / (decoded if decoded == 4 else decoded + 4)) ** (1 / 3)) - 1
    root = place.copy(place.dataset)
    path = next(root.rglob("*ldn_2_ceT1.nii.gz"))
    path.unlink()
    dim = np.array([3, edge, edge, edge, 1, 1, 1, 1])
    scan(path.with_suffix(""), np.zeros((2, 2, 2), dtype), dim=dim)
    start = path.with_suffix("").read_bytes()[:352]
    path.with_suffix("").unlink()
    member = gzip.compress(bytes(2**24), 9)
    size = edge**3 * decoded
    path.write_bytes(gzip.compress(start) + member * (size // 2**24) + gzip.compress(bytes(size % 2**24)))
    ended = cmda(place.folder, "data", "check", root)
    assert "same intensity" in ended.told
    assert ended.peak_mib < LARGEST_MIB
