from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cmda_toy


def test_check_counts_cases_and_finds_none_unusable(cmda: Any, tmp_path: Path) -> None:
    cmda_toy.write_dataset(tmp_path)
    result = cmda("data", "check", tmp_path, "--json")
    assert result.code == 0, result.err
    content = json.loads(result.out)
    assert list(content["cases"].values()) == [3, 2, 1]
    assert content["layout"] == "crossmoda2022"
    assert [scan["spacing_mm"] for scan in content["scans"]] == [[1.0, 1.0, 1.0]] * 6


def test_check_prints_a_table_and_draws_sheets(cmda: Any, tmp_path: Path) -> None:
    cmda_toy.write_dataset(tmp_path / "scans")
    result = cmda("data", "check", tmp_path / "scans", "--pictures", tmp_path / "sheets")
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[0] == "layout: crossmoda2022"
    assert "vs 32–32 (3), cochlea 1–1 (3)" in lines[2]
    sheets = [tmp_path / "sheets" / f"{name}-01.png" for name in ("source", "target", "test")]
    assert lines[-3:] == [str(sheet) for sheet in sheets]
    assert all(sheet.is_file() for sheet in sheets)


def test_many_warnings_of_a_kind_are_counted(cmda: Any, tmp_path: Path) -> None:
    cmda_toy.write_dataset(tmp_path)
    for number in range(9):
        (tmp_path / f"lost_{number}_Label.nii.gz").touch()
    result = cmda("data", "check", tmp_path)
    assert result.out.count("the scan that it belongs to is missing") == 5
    assert "warning: 4 more on partner; --json lists all." in result.out


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


def test_phantom_writes_other_layouts(cmda: Any, tmp_path: Path) -> None:
    counts = ["--source", 1, "--target", 0, "--test", 0]
    result = cmda("data", "phantom", tmp_path, "--layout", "csv", *counts)
    assert result.code == 0, result.err
    assert (tmp_path / "manifest.csv").is_file()


def test_convert_says_what_is_missing(cmda: Any, tmp_path: Path) -> None:
    missing = cmda("data", "convert", tmp_path / "absent", tmp_path / "out")
    assert (missing.code, "no such folder" in missing.err) == (1, True)
    wrong = cmda("data", "convert", tmp_path, tmp_path / "out", "--series", "t2")
    assert (wrong.code, "expected NAME=TEXT, for example hrT2=ciss" in wrong.err) == (2, True)
