from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cmda_toy


def test_check_counts_cases_and_finds_none_unusable(cmda: Any, tmp_path: Path) -> None:
    cmda_toy.write_dataset(tmp_path)
    result = cmda("data", "check", tmp_path, "--json")
    assert result.code == 0, result.err
    assert list(json.loads(result.out)["cases"].values()) == [3, 2, 1]


def test_check_fails_on_a_damaged_scan(cmda: Any, tmp_path: Path) -> None:
    cmda_toy.write_dataset(tmp_path)
    scan = next(tmp_path.rglob("*_1_ceT1.nii.gz"))
    scan.write_bytes(scan.read_bytes()[:200])
    result = cmda("data", "check", tmp_path)
    assert result.code == 1
    assert f"error: {scan}" in result.out


def test_check_of_a_missing_folder(cmda: Any, tmp_path: Path) -> None:
    result = cmda("data", "check", tmp_path / "[no] such")
    assert result.code == 1
    assert "[no] such" in result.err


def test_phantom_writes_the_layout(cmda: Any, tmp_path: Path) -> None:
    counts = ["--source", 1, "--target", 0, "--test", 0]
    result = cmda("data", "phantom", tmp_path / "phantom", *counts)
    assert result.code == 0, result.err
    assert len(list(tmp_path.rglob("*_ceT1.nii.gz"))) == 1
