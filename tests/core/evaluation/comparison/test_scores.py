from __future__ import annotations

from pathlib import Path

import pytest

from cmda_core.errors import DataError
from cmda_core.evaluation.comparison import compare, read_scores, segmentation_measures

WIDE = "Case,VS_Dice,VS_ASSD,Cochlea_Dice,Cochlea_ASSD,Team\n"
LONG = "entry,case,structure,dice,assd_mm,hd95_mm,note\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "scores.csv"
    path.write_text(text)
    return path


def test_both_layouts_hold_the_same_scores(tmp_path: Path) -> None:
    wide, wide_metrics = read_scores(
        written(tmp_path, "Team,Cochlea_ASSD,Cochlea_Dice,VS_ASSD,VS_Dice,Case\nus,0.2,0.8,0.5,0.9,007\n")
    )
    long, long_metrics = read_scores(
        written(tmp_path, "entry,case,structure,dice,assd_mm\nus,007,cochlea,0.8,0.2\nus,007,vs,0.9,0.5\n")
    )
    assert [metric.name for metric in wide_metrics] == [metric.name for metric in long_metrics]
    assert wide.equals(long)
    assert wide["case"].tolist() == ["007", "007"]


def test_seeds_of_a_case_are_averaged_before_anything_else(tmp_path: Path) -> None:
    rows = [
        f"{entry},{seed},{case},vs,{dice}"
        for entry, base in (("a", 0.8), ("b", 0.6))
        for seed, shift in ((0, -0.1), (1, 0.1))
        for case, dice in (("x", base + shift), ("y", base + shift / 2))
    ]
    table, metrics = read_scores(written(tmp_path, "entry,seed,case,structure,dice\n" + "\n".join(rows)))
    estimate = compare(segmentation_measures(table, metrics), name="t").estimate("a", "vs", "dice")
    assert estimate is not None
    assert (estimate.cases, estimate.seeds) == (2, 2)
    assert estimate.mean == pytest.approx(0.8)
    assert estimate.sd == pytest.approx(0.0)
    assert estimate.seed_sd == pytest.approx(0.15 / 2**0.5)


def test_a_structure_without_reference_is_left_out_for_all_and_named(tmp_path: Path) -> None:
    text = LONG + (
        "a,x,vs,0.9,0.5,1,\na,y,vs,,,,no reference\nb,x,vs,0.8,0.6,1,\nb,y,vs,1,0,0,absent\n"
        "a,z,vs,0.7,0.5,1,\nb,z,vs,0.6,0.6,1,\n"
    )
    table, metrics = read_scores(written(tmp_path, text))
    comparison = compare(segmentation_measures(table, metrics), name="t", baseline="a")
    assert comparison.left_out[0] == ("vs dice", ("y",))
    estimate = comparison.estimate("b", "vs", "dice")
    assert estimate is not None
    assert estimate.mean == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no scores"),
        (WIDE, "no scores"),
        ("Case,VS_Dice,Team\n1,0.9,a\n2,0.8\n", "a row has no entry"),
        ("Case,VS_Dice,VS_ASSD,Cochlea_Dice,Team\n1,0.9,1,0.9,a\n", "no column cochlea_assd"),
        ("Case,VS_Dice,VS_ASSD,Cochlea_Dice,Cochlea_ASSD\n1,0.9,1,0.9,1\n", "no column team"),
        ("entry,case,structure\na,x,vs\n", "no column dice"),
        ("entry,structure,dice\na,vs,0.5\n", "no column case"),
        (WIDE + "1,0.9,1,0.9,1,a\n1,0.8,1,0.9,1,a\n", "two rows for case 1"),
        (WIDE + "1,0.9,1,0.9,1,a\n2,0.9,1,0.9,1,a\n1,0.9,1,0.9,1,b\n", "b .* has no score of case 2"),
        (WIDE + "1,,1,0.9,1,a\n", "a has no Dice for case 1, vs"),
        (WIDE + "1,0.9,NaN,0.9,1,a\n", "a has no ASSD for case 1, vs"),
        (WIDE + "1,0.9,inf,0.9,1,a\n", "0 or more, and finite"),
        (WIDE + "1,85.1,1,0.9,1,a\n", "Dice of 0 to 1, got 85.1"),
        (WIDE + "1,-0.1,1,0.9,1,a\n", "Dice of 0 to 1"),
        (WIDE + "1,good,1,0.9,1,a\n", "line 2: expected a number as Dice of vs, got 'good'"),
        ("entry,seed,case,structure,dice\na,first,x,vs,0.5\n", "whole number as seed, got 'first'"),
    ],
)
def test_tables_that_cannot_be_compared_fairly_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as raised:
        read_scores(written(tmp_path, text))
    assert "scores.csv" in str(raised.value)


def test_a_missing_file_and_an_unknown_baseline_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.csv"):
        read_scores(tmp_path / "nowhere.csv")
    table, metrics = read_scores(written(tmp_path, WIDE + "1,0.9,1,0.9,1,a\n"))
    with pytest.raises(DataError, match=r"no entry named 'c'\. There are: a"):
        compare(segmentation_measures(table, metrics), name="t", baseline="c")
