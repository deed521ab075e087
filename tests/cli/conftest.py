from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cmda_toy
import pytest

from cmda_cli.main import main
from cmda_core.registry import Registry


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Cmda = Callable[..., Result]


@pytest.fixture
def cmda(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cmda:
    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["cmda", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        out, err = capsys.readouterr()
        return Result(int(stopped.value.code or 0), out, err)

    return run


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy plugins, as if they were all that is installed."""

    def installed() -> Registry:
        registry = Registry()
        registry.add(cmda_toy, "toy")
        return registry

    monkeypatch.setattr(Registry, "installed", installed)


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    root = tmp_path / "scans"
    cmda_toy.write_dataset(root)
    path = tmp_path / "experiment.yaml"
    path.write_text(
        "name: toy\n"
        "data: {root: scans, reference: scans/crossmoda2022_reference}\n"
        "preprocessor: toy\ntranslator: toy\nsegmenter: toy\ngrader: toy\n"
        "runtime: {device: cpu, threads: 1}\n"
    )
    return path
