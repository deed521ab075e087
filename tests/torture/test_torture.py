"""The short version of ``make torture``, and what it would see if files were not replaced whole."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent


def tortured(*arguments: str) -> dict[str, object]:
    done = subprocess.run(  # noqa: S603
        [sys.executable, HERE / "torture.py", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_killed_runs_of_toys_end_with_the_bytes_of_an_undisturbed_one() -> None:
    found = tortured("--toys", "--kills", "12")
    assert found["kills"] == 12
    assert found["problems"] == []


@pytest.mark.slow
def test_killed_runs_of_the_method_end_with_the_bytes_of_an_undisturbed_one() -> None:
    assert tortured("--kills", "12", "--seed", "2")["problems"] == []


@pytest.fixture(scope="module")
def whole_files() -> ModuleType:
    spec = importlib.util.spec_from_file_location("whole_files", HERE / "whole_files.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_inspector_sees_half_files_and_only_those(whole_files: ModuleType, tmp_path: Path) -> None:
    inspector = whole_files.Inspector(tmp_path)
    (tmp_path / "whole.json").write_text("{}")
    (tmp_path / ".7.half.json").write_text("{")
    assert inspector.broken() == []
    broken = {"a.json": "{", "b.nii": "", "c.csv": "case,class\nx", "d.safetensors": "", "e": ""}
    for name, content in broken.items():
        (tmp_path / name).write_text(content)
    assert [Path(line.split(": ")[0]).name for line in sorted(inspector.broken())] == list(broken)
    assert inspector.broken() == [], "nothing has changed since"


def test_runs_differ_in_nothing_but_times(whole_files: ModuleType, tmp_path: Path) -> None:
    for name, seconds in (("one", 1.0), ("other", 2.0)):
        stage = tmp_path / name / "translator"
        stage.mkdir(parents=True)
        (stage / "stage.json").write_text(json.dumps({"fingerprint": "f", "seconds": seconds}))
        (tmp_path / name / "journal.jsonl").write_text(str(seconds))
        (stage / "weights.safetensors").write_bytes(b"same")
    assert whole_files.differences(tmp_path / "one", tmp_path / "other") == []
    (tmp_path / "other" / "translator" / "weights.safetensors").write_bytes(b"else")
    (tmp_path / "one" / "more.csv").touch()
    assert whole_files.differences(tmp_path / "one", tmp_path / "other") == [
        "more.csv",
        "translator/weights.safetensors",
    ]
