"""Names and links that people and machines really have."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cmda_toy
import pytest

from cmda_core.datasets.files import walk
from cmda_core.errors import DataError, RunError
from cmda_core.pipeline import load_experiment
from cmda_core.pipeline.inference import segment_files
from cmda_core.progress import Silent

NAMES = {
    "spaces": " two  spaces and a new\tone ",
    "umlauts": "Jörg Müller – 模型 🧠",
    "quotes": 'it\'s "quoted" $HOME; `ls` & {a: b} #1',
    "brackets": "[red]100 %[/red] *?",
    "dash": "-rf",
    "long": "/".join(["deep" * 50] * 4),
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_whole_run_below_such_a_folder(run_toys: Callable[..., Any], tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    cmda_toy.write_dataset(root / "scans")
    summary = run_toys(root / "run", root / "scans")
    assert summary.report == root / "run" / "report" / "index.html"
    again = load_experiment(str(root / "run" / "experiment.yaml"))
    assert again.data.root == root / "scans"
    scans = root / "scans" / "crossmoda2022_validation" / "validation"
    done = segment_files(root / "run", scans, root / "out", registry=cmda_toy.registry(), progress=Silent())
    assert [path.parent for path in done.done] == [root / "out"]


def test_too_long_a_path_is_told(run_toys: Callable[..., Any], tmp_path: Path) -> None:
    name, whole = tmp_path / ("x" * 300), tmp_path.joinpath(*["y" * 200] * 25)
    for path in (name, whole):
        with pytest.raises(DataError, match=r"File name too long.*shorter path"):
            run_toys(path)
    with pytest.raises(ValueError, match="a name in a path cannot be longer than 255 bytes"):
        run_toys(tmp_path / "run", name)
    with pytest.raises(DataError, match=r"File name too long.*shorter path"):
        run_toys(tmp_path / "run", whole)


def test_a_link_that_leads_to_itself(run_toys: Callable[..., Any], tmp_path: Path, dataset: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(DataError, match=r"loop.*leads to itself"):
        run_toys(tmp_path / "loop" / "run")
    with pytest.raises(DataError, match=r"loop"):
        run_toys(tmp_path / "run", tmp_path / "loop")
    run = tmp_path / "run"
    run_toys(run)
    with pytest.raises(DataError, match=r"loop"):
        segment_files(run, tmp_path / "loop", tmp_path, registry=cmda_toy.registry(), progress=Silent())


def test_a_dataset_that_holds_a_link_to_itself(run_toys: Callable[..., Any], scans: Path) -> None:
    before = sorted(walk(scans))
    (scans / "crossmoda2022_training" / "again").symlink_to(scans, target_is_directory=True)
    (scans / "loop").symlink_to(scans / "loop")
    assert [path for path in sorted(walk(scans)) if path.name != "loop"] == before
    run_toys(scans.parent / "run", scans)


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_names_that_a_terminal_cannot_show_are_printed_as_escapes(tmp_path: Path, encoding: str) -> None:
    name = os.fsdecode("Jörg 模型 ".encode() + b"\xff")  # ends in a byte that is no UTF-8
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "cmda_cli", "run", tmp_path / name],
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONIOENCODING": encoding},
    )
    assert done.returncode == 1
    assert b"no such experiment file" in done.stderr
    assert b"rg" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_folder_whose_name_is_no_text(run_toys: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    with pytest.raises(RunError, match="not valid UTF-8"):
        run_toys(folder / "run")
    assert not folder.exists()
    cmda_toy.write_dataset(folder / "scans")
    run_toys(tmp_path / "run", folder / "scans")
    assert load_experiment(str(tmp_path / "run" / "experiment.yaml")).data.root == folder / "scans"
