"""Inputs that vanish and clocks that go backwards."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import cmda_toy
import pytest

from cmda_core.errors import DataError
from cmda_core.pipeline import journal
from cmda_core.pipeline.journal import Journal


def started(run: Path) -> list[str]:
    return [one["stage"] for one in Journal(run / "journal.jsonl").read() if one["event"] == "started"]


def test_a_scan_that_vanishes_while_the_run_works(
    run_toys: Callable[..., Any], scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    gone = next(scans.rglob("*_3_ceT1.nii.gz"))
    prepare = cmda_toy.ToyPreprocessor.prepare

    def lose_the_last(self: cmda_toy.ToyPreprocessor, case: Any) -> Any:
        if case.image == gone:
            shutil.move(gone, tmp_path)
        return prepare(self, case)

    monkeypatch.setattr(cmda_toy.ToyPreprocessor, "prepare", lose_the_last)
    with pytest.raises(DataError, match=r"case crossmoda2021_ldn_3: .*_3_ceT1\.nii\.gz: no such file"):
        run_toys(run, scans)
    monkeypatch.undo()
    kept = {path: path.stat().st_mtime_ns for path in (run / "prepared").rglob("*.nii")}
    assert len(kept) > 2
    shutil.move(tmp_path / gone.name, gone)
    run_toys(run, scans)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "what was done has been done again"


def test_inputs_that_vanish_between_two_stages(run_toys: Callable[..., Any], tmp_path: Path) -> None:
    run = tmp_path / "run"
    run_toys(run, until="translate")
    fake = next((run / "translated").glob("*_211_ceT1.nii"))
    fake.unlink()
    with pytest.raises(DataError, match=rf"{fake.name}: no such file"):
        run_toys(run)
    run_toys(run, fresh=True)


def test_a_dataset_that_is_gone(run_toys: Callable[..., Any], scans: Path, tmp_path: Path) -> None:
    run_toys(tmp_path / "run", scans, until="prepare")
    shutil.move(scans, tmp_path / "elsewhere")
    with pytest.raises(DataError, match=rf"{scans}: no such folder"):
        run_toys(tmp_path / "run", scans)
    reference = tmp_path / "elsewhere" / "crossmoda2022_reference"
    shutil.move(tmp_path / "elsewhere", scans)
    assert not reference.exists()
    assert run_toys(tmp_path / "run", scans).report is not None


def test_clocks_that_go_backwards(
    run_toys: Callable[..., Any],
    same_results: Callable[[Path, Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    run_toys(whole)
    now = iter(range(2_000_000_000, 0, -86_400))

    class Backwards(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.fromtimestamp(next(now), tz)

    monkeypatch.setattr(journal, "datetime", Backwards)
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    for stage in ("prepare", "train-translator", "segment"):
        run_toys(run, until=stage)
        for path in run.rglob("*"):  # each part seems to be made long before what it was made from
            os.utime(path, (next(now), next(now)))
    summary = run_toys(run)
    assert len(started(run)) == len(set(started(run))), "a stage has been done again"
    assert all(seconds >= 0 for seconds in summary.seconds.values())
    same_results(whole, run)


def test_a_journal_whose_last_line_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    events = Journal(path)
    events.write("prepare", "started")
    with path.open("a") as stream:
        stream.write('{"stage": "prepare", "eve')
    events.write("translate", "started")
    assert [one["stage"] for one in events.read()] == ["prepare", "translate"]


def test_a_long_journal_is_begun_anew_with_the_last_events_of_each_stage(tmp_path: Path) -> None:
    events = Journal(tmp_path / "journal.jsonl")
    events.write("prepare", "finished", seconds=1.0)
    line = json.dumps({"stage": "translate", "event": "skipped", "note": "x" * 1000}) + "\n"
    with (tmp_path / "journal.jsonl").open("a") as stream:
        stream.write(line * 900)
    events.rotate()
    assert len(events.read()) == 901, "it is not long yet"
    with (tmp_path / "journal.jsonl").open("a") as stream:
        stream.write(line * 200)
    events.write("prepare", "finished", seconds=2.0)
    events.rotate()
    assert [(one["stage"], one.get("seconds")) for one in events.read()] == [
        ("translate", None),
        ("prepare", 2.0),
    ]
    assert len(Journal(tmp_path / "journal.1.jsonl").read()) == 1102
    assert len(list(tmp_path.iterdir())) == 2
