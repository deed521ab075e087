"""The same seed gives the same bytes, for any number of processes and augmentation workers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
RESULTS = (".safetensors", ".nii", ".nii.gz", ".csv", ".npy", ".npz", ".png")
"""Endings of what is learnt and made; settings name the number of processes."""

MAKE = (
    "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
    "from tiny import write_experiment, write_scans; work = Path(sys.argv[2]); jobs = int(sys.argv[3]);"
    "write_scans(work / 'scans', toys=False, jobs=jobs);"
    "write_experiment(work / 'experiment.yaml', work / 'scans', toys=False)"
)


def made(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.name.endswith(RESULTS)
    }


def run(*command: object) -> None:
    done = subprocess.run(  # noqa: S603
        [sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
        env={key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")},
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
def test_everything_is_the_same_for_one_process_and_for_two(tmp_path: Path) -> None:
    for jobs in (1, 2):
        work = tmp_path / f"jobs-{jobs}"
        work.mkdir()
        run("-c", MAKE, HERE, work, jobs)
        settings = (f"runtime.jobs={jobs}", f"segmenter.augmentation_workers={jobs - 1}")
        options = ("--out", work / "run", *(f"--set={one}" for one in settings))
        run("-m", "cmda_cli", "run", work / "experiment.yaml", *options)
    one, two = made(tmp_path / "jobs-1"), made(tmp_path / "jobs-2")
    assert len(one) > 100
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []
