"""Takes a full-size phantom in each layout through every command, and measures seconds and peak memory.

For each layout: ``cmda data phantom``, ``convert`` (DICOM only), ``check``, ``run`` with one epoch of each
training, ``segment`` and ``grade`` on the test scans. Run it as

    python tests/benchmarks/full_size.py --out full-size --layouts crossmoda2022
    python tests/benchmarks/full_size.py --out full-size --small

The second takes all layouts, with fewer channels than the paper: volumes, crops and stages are the same.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from cmda_core.datasets import read_dataset
from cmda_core.pipeline.journal import Journal
from cmda_core.schema import DataConfig, Task

LAYOUTS = ("crossmoda2021", "crossmoda2022", "crossmoda2023", "csv", "bids", "dicom")
SOURCE, TARGET, TEST = 4, 2, 2
ONE_EPOCH = {
    "translator.epochs": "1",
    "translator.perceptual": "off",
    "segmenter.folds": "all",
    "segmenter.epochs": "1",
    "segmenter.iterations_per_epoch": "2",
    "segmenter.validation_iterations": "1",
    "grader.pretrain_epochs": "1",
    "grader.epochs": "1",
    "runtime.jobs": "1",
}
SMALL = {
    "translator.channels": "8",
    "translator.residual_blocks": "2",
    "translator.discriminator_channels": "8",
    "segmenter.base_features": "4",
    "segmenter.mirroring": "false",
    "grader.channels": "16",
}
WITHOUT_PARCELLATIONS = ("crossmoda2021", "crossmoda2023", "dicom")


@dataclass(frozen=True, slots=True)
class Step:
    """A command that ended well."""

    layout: str
    command: str
    seconds: float
    cpu_seconds: float
    peak_gib: float


def measure(layout: str, out: Path, sizes: dict[str, str]) -> Iterator[Step]:
    """Run the commands of one layout, each in its own process.

    Raises:
        SystemExit: If a command fails; its output stands in the terminal.
    """
    made, root, run, done = out / "made", out / "data", out / "run", out / "done"
    counts = [f"--source={SOURCE}", f"--target={TARGET}", f"--test={TEST}"]
    yield _step(layout, "data phantom", made, "--preset=full", f"--layout={layout}", *counts)
    if layout == "dicom":
        yield _step(layout, "data convert", made, root)
    else:
        root = made
    yield _step(layout, "data check", root)
    settings = ONE_EPOCH | sizes | {"data.root": str(root), "data.reference": str(_reference(root))}
    if layout in WITHOUT_PARCELLATIONS:
        settings["translator.proxies"] = "[vs]"
    changes = (f"--set={key}={value}" for key, value in settings.items())
    ran = _step(layout, "run", "paper", f"--out={run}", *changes)
    # A run counts the peak of each stage anew, and the system's own count with it.
    peaks = [line.get("peak_mb", 0) for line in Journal(run / "journal.jsonl").read()]
    yield replace(ran, peak_gib=max(ran.peak_gib, max(peaks) / 1024))
    scans = _test_scans(root, out / "scans")
    yield _step(layout, "segment", run, scans, done)
    if (run / "grader").exists():
        yield _step(layout, "grade", run, scans, done / "grades.csv")


def _reference(root: Path) -> Path:
    """What is held out: the folder named so, or else the manifest."""
    return next((path for path in root.iterdir() if "reference" in path.name), root / "manifest.csv")


def _test_scans(root: Path, folder: Path) -> Path:
    """A folder with the test scans alone, under the names that they have."""
    folder.mkdir(exist_ok=True)
    task = Task()
    for case in read_dataset(DataConfig(root=root), task).test:
        shutil.copy(case.image, folder / f"{case.id}_{task.target}.nii.gz")
    return folder


def _step(layout: str, command: str, *arguments: object) -> Step:
    words = [sys.executable, "-m", "cmda_cli", *command.split(), *map(str, arguments)]
    print("$ cmda", *words[3:], file=sys.stderr, flush=True)
    start = time.monotonic()
    process = subprocess.Popen(words, stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"cmda {command} failed in layout {layout}; see above.")
    cpu = usage.ru_utime + usage.ru_stime
    return Step(layout, command, time.monotonic() - start, cpu, usage.ru_maxrss / 2**20)


def main() -> None:
    """Print the table, a line as soon as its command has ended."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for data and runs; what is there goes on"
    )
    parser.add_argument("--layouts", choices=LAYOUTS, nargs="+", default=list(LAYOUTS))
    parser.add_argument("--small", action="store_true", help="networks with fewer channels than the paper's")
    arguments = parser.parse_args()
    print(f"{SOURCE} + {TARGET} training scans and {TEST} test scans\n")
    print("| layout | command | s | CPU s | peak GiB |\n| --- | --- | --- | --- | --- |")
    for layout in arguments.layouts:
        folder = arguments.out / layout
        folder.mkdir(parents=True, exist_ok=True)
        for step in measure(layout, folder, SMALL if arguments.small else {}):
            figures = f"{step.seconds:.0f} | {step.cpu_seconds:.0f} | {step.peak_gib:.1f}"
            print(f"| {step.layout} | {step.command} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
