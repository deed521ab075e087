from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any, cast
from zipfile import ZipFile

import cmda_toy
import numpy as np
import pytest

from cmda_cli.main import main
from cmda_core.datasets.phantom.layouts.dicom import DicomWriter
from cmda_core.datasets.phantom.plan import Plan
from cmda_core.pipeline import load_experiment, run_experiment
from cmda_core.pipeline.bundle import export_bundle
from cmda_core.progress import Silent
from cmda_core.registry import Registry
from cmda_core.volumes import LabelVolume, Volume

from .corpus import Command, Place
from .labels import truth
from .volumes import INTENSITIES

SECONDS = 10
"""Of the processor, that no input may take; a busy machine may take longer by the clock."""

CLOCK_SECONDS = 120
"""For what waits and does nothing."""


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str


@contextmanager
def in_time(seconds: int = SECONDS) -> Iterator[None]:
    """Interrupt what hangs."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"still at it after {seconds} s")

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGALRM, signal.SIGPROF)}
    signal.alarm(CLOCK_SECONDS)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.fixture
def cmda(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[Command], Result]:
    """Runs a command in this process, with the toys as the only plugins."""

    def run(command: Command) -> Result:
        monkeypatch.setattr(Registry, "installed", cmda_toy.registry)
        monkeypatch.setattr(sys, "argv", ["cmda", *map(str, command)])
        with pytest.raises(SystemExit) as stopped, in_time():
            main()
        out, err = capsys.readouterr()
        return Result(int(stopped.value.code or 0), out, err)

    return run


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """What all inputs are made from; nobody changes it."""
    root = tmp_path_factory.mktemp("in order")
    dataset, run = root / "dataset", root / "run"
    cmda_toy.write_dataset(dataset)
    (root / "toy.yaml").write_text(
        f"preprocessor: toy\ntranslator: toy\nsegmenter: toy\ngrader: toy\ndata: {{root: {dataset}}}\n"
        "runtime: {device: cpu, threads: 1}\n"
    )
    experiment = load_experiment(str(root / "toy.yaml"), overrides=["translator.steps=1"])
    run_experiment(experiment, run, registry=cmda_toy.registry(), progress=Silent(), until="train-grader")
    with ZipFile(export_bundle(run, root / "toy.cmda", registry=cmda_toy.registry()).path) as archive:
        archive.extractall(root / "bundle")  # our own
    _write_dicom(root / "dicom")
    return Place(root, dataset, run, root / "bundle", root / "dicom", root / "toy.yaml")


@pytest.fixture
def place(shared: Place, tmp_path: Path) -> Place:
    """Where one input is made."""
    return replace(shared, folder=tmp_path)


def _write_dicom(root: Path) -> None:
    plan = Plan("crossmoda2021_ldn_1", "source", "ldn", 2, number=1)
    scan = Volume(np.rint(INTENSITIES), np.diag([-0.5, -0.5, 1.5, 1.0]), "ceT1", plan.case)
    labels = LabelVolume(truth(), scan.affine, plan.case)
    scanned = SimpleNamespace(plan=plan, scan=scan, labels=labels)
    DicomWriter().write_scan(root, cast(Any, scanned))
