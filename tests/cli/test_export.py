from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def trained(cmda: Any, toys: None, experiment: Path, tmp_path: Path) -> Path:
    done = cmda("train", "all", experiment, "--out", tmp_path / "run", "--set", "translator.steps=2")
    assert done.code == 0, done.err
    return tmp_path / "run"


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    return tmp_path / "scans/crossmoda2022_validation/validation"


def test_a_bundle_is_a_model(cmda: Any, trained: Path, scans: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "toy.cmda"
    exported = cmda("export", trained, bundle)
    assert exported.code == 0, exported.err
    assert "segmenter: toy, version 1" in exported.out
    assert f"bundle: {bundle}" in exported.out
    segmented = cmda("segment", bundle, scans, tmp_path / "labels", "--device", "cpu", "--json")
    assert json.loads(segmented.out)["failed"] == {}
    graded = cmda("grade", bundle, scans, tmp_path / "grades.csv", "--device", "cpu", "--json")
    assert json.loads(graded.out)["crossmoda2021_ldn_211"]["class"] in (1, 2, 3, 4)


def test_export_prints_json(cmda: Any, trained: Path, tmp_path: Path) -> None:
    facts = json.loads(cmda("export", trained, tmp_path / "toy", "--json").out)
    assert len(facts["sha256"]) == 64
    assert [part["kind"] for part in facts["parts"]] == ["preprocessor", "translator", "segmenter", "grader"]


def test_a_damaged_bundle_ends_with_one_message(
    cmda: Any, trained: Path, scans: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "toy.cmda"
    cmda("export", trained, bundle)
    bundle.write_bytes(bundle.read_bytes()[:-100])
    result = cmda("segment", bundle, scans, tmp_path / "labels")
    assert result.code == 1
    assert result.out == ""
    assert f"error: {bundle}: is not a bundle, or is damaged" in result.err
    assert "Traceback" not in result.err


def test_failed_scans_are_listed_at_the_end(cmda: Any, trained: Path, scans: Path, tmp_path: Path) -> None:
    for name in ("torn_hrT2.nii.gz", "worn_hrT2.nii.gz"):
        (scans / name).write_bytes(b"no scan")
    segmented = cmda("segment", trained, scans, tmp_path / "labels", "--device", "cpu")
    assert segmented.code == 1
    assert Path(segmented.out.strip()).name == "crossmoda2021_ldn_211_Label.nii.gz"
    assert "torn_hrT2.nii.gz: is not a readable NIfTI file" in segmented.err
    assert segmented.err.splitlines()[-1] == "error: 2 of 3 scans failed: torn, worn."
    graded = cmda("grade", trained, scans, tmp_path / "grades.csv", "--device", "cpu", "--json")
    assert graded.code == 1
    assert set(json.loads(graded.out)["torn"]) == {"error"}


def test_submission_to_the_challenge(cmda: Any, trained: Path, scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "output"
    common = ["--challenge", "2022", "--device", "cpu"]
    assert cmda("segment", trained, scans, out, *common).code == 0
    assert cmda("grade", trained, scans, out, *common).code == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "crossmoda2021_ldn_211_Label.nii.gz",
        "predictions.csv",
    ]
    assert (out / "predictions.csv").read_text().startswith('"case","class"\n"crossmoda2021_ldn_211",')
    assert cmda("grade", trained, scans, out, "--challenge", "2023").code == 2
    refused = cmda("segment", trained, scans, out, "--challenge", "2023")
    assert refused.code == 1
    assert "three structures" in refused.err
