from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Cmda

SCORES = (
    "Case,VS_Dice,VS_ASSD,Cochlea_Dice,Cochlea_ASSD,Team\n"
    "1,0.9,0.4,0.8,0.2,a_team\n2,0.8,0.5,0.85,0.3,a_team\n"
    "1,0.85,0.45,0.81,0.2,b_team\n2,0.7,0.8,0.8,0.4,b_team\n"
)


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    path = tmp_path / "official.csv"
    path.write_text(SCORES)
    return path


def test_a_table_of_scores_is_ranked_and_tested(cmda: Cmda, scores: Path) -> None:
    result = cmda("compare", "--scores", scores, "--baseline", "b_team")
    assert result.code == 0
    assert "a_team  0.850 ± 0.071 [0.800, 0.900]" in result.out
    assert "Against b_team" in result.out
    assert "Ranking" in result.out
    assert result.err == ""


@pytest.mark.parametrize(
    ("form", "piece"),
    [
        ("markdown", "| a_team | 1 |"),
        ("latex", "\\toprule"),
        ("csv", "a_team,vs,dice,2,1,0.85"),
        ("json", '"baseline": null'),
    ],
)
def test_tables_come_in_several_formats(cmda: Cmda, scores: Path, form: str, piece: str) -> None:
    assert piece in cmda("compare", "--scores", scores, "--format", form).out


def test_out_writes_every_format(cmda: Cmda, scores: Path, tmp_path: Path) -> None:
    out = tmp_path / "tables"
    printed = cmda("compare", "--scores", scores, "--out", out, "--json").out
    assert json.loads(printed) == json.loads((out / "comparison.json").read_text())
    assert {path.suffix for path in out.iterdir()} == {".md", ".tex", ".csv", ".json"}
    assert "a\\_team" in (out / "comparison.tex").read_text()


def test_exactly_one_thing_is_compared(cmda: Cmda, scores: Path) -> None:
    for arguments in ([], ["phantom-table1", "--scores", scores]):
        result = cmda("compare", *arguments)
        assert result.code == 2
        assert "one of the two" in result.err


def test_wrong_input_is_one_clear_line(cmda: Cmda, scores: Path, tmp_path: Path) -> None:
    scores.write_text(SCORES + "3,0.7,0.8,0.8,0.4,b_team\n")
    result = cmda("compare", "--scores", scores)
    assert result.code == 1
    assert "a_team (seed 0) has no score of case 3" in result.err
    assert "Traceback" not in result.err
    assert "phantom-table1" in cmda("compare", tmp_path / "nothing.yaml").err


@pytest.mark.usefixtures("toys")
def test_a_benchmark_runs_and_says_what_failed(cmda: Cmda, experiment: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"name: mine\nbase: {experiment.name}\nbaseline: good\nentries:\n"
        "  - {name: good}\n"
        "  - {name: bad, settings: {translator: {needs: /nowhere/weights}}}\n"
    )
    result = cmda("compare", path, "--out", tmp_path / "out", "--set", "seeds=[3]", "--json")
    assert result.code == 1
    content = json.loads(result.out)
    assert content["failures"][0]["entry"] == "bad"
    assert (tmp_path / "out" / "runs" / "good" / "seed-3" / "evaluation" / "per_case.csv").exists()
    assert "1 of 2 runs failed" in result.err
    mended = cmda("compare", path, "--out", tmp_path / "out", "--set", "translator.needs=null")
    assert mended.code == 0
