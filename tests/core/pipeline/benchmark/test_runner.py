"""Whole benchmarks, with plugins that learn in milliseconds."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import cmda_toy
import pandas as pd
import pytest
from filelock import FileLock

from cmda_core.errors import ConfigError, RunError
from cmda_core.pipeline.journal import Journal
from cmda_core.protocols import SegmentationData
from cmda_core.reporting.comparison import rendered
from cmda_core.run import Run

from .conftest import compared, write_benchmark


def events(out: Path, event: str) -> Counter[str]:
    """How often each stage had an event, over all runs."""
    journals = out.glob("runs/*/*/journal.jsonl")
    lines = [line for path in journals for line in Journal(path).read()]
    return Counter(line["stage"] for line in lines if line["event"] == event)


def test_entries_are_compared_and_what_they_share_is_computed_once(tmp_path: Path, scans: Path) -> None:
    out = tmp_path / "out"
    result = compared(write_benchmark(tmp_path, scans, seeds=[0, 1]), out)
    assert [one.failure for one in result.outcomes] == [None] * 8
    fine = result.comparison.estimate("fine", "vs", "dice")
    hasty = result.comparison.estimate("hasty", "vs", "dice")
    assert fine is not None
    assert hasty is not None
    assert (fine.cases, fine.seeds, fine.mean) == (4, 2, pytest.approx(1.0))
    assert hasty.mean < 0.5
    assert result.comparison.ranking is not None
    assert result.comparison.ranking.teams[-1].entry == "hasty"

    started, shared = events(out, "started"), events(out, "shared")
    assert started["prepare"] == 2  # once per seed
    assert shared["prepare"] == 6
    assert (started["train-translator"], shared["train-translator"]) == (2, 2)
    assert started["train-segmenter:toy"] == 4
    assert not any(stage.startswith(("train-grader", "grade", "report")) for stage in started)
    assert not list(out.glob("runs/lower/*/translator"))

    per_case = pd.read_csv(out / "per_case.csv")
    assert set(per_case["entry"]) == {"lower", "fine", "hasty", "Upper (oracle)"}
    assert len(per_case) == 4 * 2 * 4 * 2
    for name in ("comparison.md", "comparison.tex", "comparison.csv", "comparison.json", "benchmark.yaml"):
        assert (out / name).stat().st_size > 0

    report = (out / "report" / "index.html").read_text()
    for words in ("2 seeds", "Upper (oracle)", "Ranking", "train-segmenter"):
        assert words in report
    (page, *_) = sorted((out / "report" / "cases").glob("test-*.html"))
    for words in ('"seeds": [0, 1]', '"name": "hasty"', '"name": "fake ceT1"'):
        assert words in page.read_text()
    costs = [line for path in out.glob("runs/*/*/journal.jsonl") for line in Journal(path).read()]
    assert all(line["seconds"] > 0 < line["peak_mb"] for line in costs if line["event"] == "shared")


def test_a_finished_benchmark_is_not_computed_again(tmp_path: Path, scans: Path) -> None:
    path, out = write_benchmark(tmp_path, scans), tmp_path / "out"
    first = compared(path, out)
    before = events(out, "started")
    again = compared(path, out)
    assert events(out, "started") == before
    assert again.comparison == first.comparison


def test_a_killed_benchmark_goes_on_with_what_is_left(
    tmp_path: Path, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = write_benchmark(tmp_path, scans), tmp_path / "out"
    whole = compared(path, tmp_path / "whole")

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cmda_toy.ToyTranslator, "translate", interrupt)
        with pytest.raises(KeyboardInterrupt):
            compared(path, out)
    assert events(out, "failed") == {"translate": 1}
    result = compared(path, out)
    assert result.comparison == whole.comparison
    assert events(out, "started")["train-translator"] == 1
    assert events(out, "started")["train-segmenter:source-only"] == 1


def test_a_failed_entry_is_in_the_table_and_does_not_stop_the_others(
    tmp_path: Path, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [
        {"name": "needy", "settings": {"segmenter": {"needs": str(tmp_path / "weights")}}},
        {"name": "buggy", "settings": {"translator": {"steps": 31}}},
        {"name": "fine"},
        {"name": "lower", "training": "source-only"},
    ]
    path, out = write_benchmark(tmp_path, scans, entries=entries), tmp_path / "out"
    fit = cmda_toy.ToyTranslator.fit

    def buggy(self: cmda_toy.ToyTranslator, data: Any, run: Run) -> None:
        if self.config.steps == 31:
            raise ZeroDivisionError("a bug")
        fit(self, data, run)

    monkeypatch.setattr(cmda_toy.ToyTranslator, "fit", buggy)
    result = compared(path, out)
    reasons = {one.entry: one.reason for one in result.comparison.failures}
    assert "needs: no such file" in reasons["needy"]
    assert reasons["buggy"].startswith("translator 'toy': fit() raised ZeroDivisionError: a bug.")
    assert "ZeroDivisionError" in (out / "runs" / "buggy" / "seed-0" / "failure.txt").read_text()
    assert result.comparison.estimate("fine", "vs", "dice") is not None
    text = rendered(result.comparison, "markdown")
    assert "| needy | failed | failed |" in text
    assert "| buggy | 0 | translator 'toy': fit() raised ZeroDivisionError: a bug." in text
    assert "fit() raised ZeroDivisionError: a bug" in (out / "report" / "index.html").read_text()

    monkeypatch.undo()
    (tmp_path / "weights").touch()
    again = compared(path, out)
    assert again.comparison.failures == ()
    assert not (out / "runs" / "buggy" / "seed-0" / "failure.txt").exists()


def test_a_benchmark_of_which_every_run_fails_still_has_a_table(tmp_path: Path, scans: Path) -> None:
    entries = [{"name": "needy", "settings": {"segmenter": {"needs": str(tmp_path / "weights")}}}]
    path = write_benchmark(tmp_path, scans, entries=entries, baseline="needy")
    result = compared(path, tmp_path / "out")
    assert len(result.failed) == 1
    assert "| needy | 0 |" in rendered(result.comparison, "markdown")
    assert "needs: no such file" in (tmp_path / "out" / "report" / "index.html").read_text()
    assert json.loads(rendered(result.comparison, "json"))["failures"][0]["entry"] == "needy"


def test_graders_are_compared_on_masks_that_they_share(tmp_path: Path, scans: Path) -> None:
    entries = [{"name": "one"}, {"name": "other", "settings": {"grader": {"plugin": "toy", "steps": 9}}}]
    path = write_benchmark(
        tmp_path, scans, entries=entries, baseline="one", metrics=["ma_mae", "mamse", "accuracy"]
    )
    result = compared(path, tmp_path / "out")
    estimate = result.comparison.estimate("other", "koos", "ma_mae")
    assert estimate is not None
    assert estimate.mean == pytest.approx(1.0)  # the toy says 1, the truth is 2
    started = events(tmp_path / "out", "started")
    assert started["train-segmenter:toy"] == started["segment:toy"] == 1
    assert started["train-grader:toy"] == 2
    assert result.comparison.ranking is None


def test_translators_are_compared_without_training_a_segmenter(tmp_path: Path, scans: Path) -> None:
    paired = str(cmda_toy.write_paired(scans, tmp_path / "paired"))
    entries = [{"name": "one"}, {"name": "other", "settings": {"translator": {"plugin": "toy", "steps": 9}}}]
    path = write_benchmark(
        tmp_path,
        scans,
        entries=entries,
        baseline="one",
        metrics=["ssim", "signal_error"],
        settings={"data": {"paired": paired}},
    )
    result = compared(path, tmp_path / "out")
    assert [(one.entry, one.subject, one.metric.name) for one in result.comparison.estimates] == [
        (entry, subject, metric)
        for subject, metric in (
            ("image", "ssim"),
            ("image", "signal_error"),
            ("vs", "signal_error"),
            ("cochlea", "signal_error"),
        )
        for entry in ("one", "other")
    ]
    error = result.comparison.estimate("other", "vs", "signal_error")
    assert error is not None
    assert (error.cases, error.mean) == (3, pytest.approx(0, abs=1e-2))
    assert events(tmp_path / "out", "started").keys() == {
        "prepare",
        "train-translator",
        "translate",
        "evaluate",
    }
    assert len(pd.read_csv(tmp_path / "out" / "translations.csv")) == 2 * 3 * 3
    report = (tmp_path / "out" / "report" / "index.html").read_text()
    assert "image SSIM" in report
    assert "have not been translated" not in report
    page = (tmp_path / "out" / "report" / "cases" / "source-001.html").read_text()
    assert '"name": "fake hrT2 (other)"' in page
    assert '"name": "true hrT2"' in page


def test_no_scores_of_translations_stay_when_they_are_no_longer_asked_for(
    tmp_path: Path, scans: Path
) -> None:
    paired = str(cmda_toy.write_paired(scans, tmp_path / "paired"))
    for metrics in (["dice", "ssim"], ["dice"]):
        path = write_benchmark(tmp_path, scans, metrics=metrics, settings={"data": {"paired": paired}})
        compared(path, tmp_path / "out")
        assert (tmp_path / "out" / "translations.csv").exists() is ("ssim" in metrics)


def test_what_translates_nothing_has_no_score_of_a_translation(tmp_path: Path, scans: Path) -> None:
    paired = str(cmda_toy.write_paired(scans, tmp_path / "paired"))
    path = write_benchmark(tmp_path, scans, metrics=["dice", "ssim"], settings={"data": {"paired": paired}})
    result = compared(path, tmp_path / "out")
    row = next(line for line in rendered(result.comparison, "markdown").splitlines() if "| lower |" in line)
    assert row.endswith("| - |")
    assert result.comparison.estimate("fine", "image", "ssim") is not None


def test_translations_without_true_scans_are_refused(tmp_path: Path, scans: Path) -> None:
    entries = [{"name": "fine"}]
    path = write_benchmark(tmp_path, scans, entries=entries, metrics=["ssim"])
    with pytest.raises(ConfigError, match=r"set data\.paired; .* nothing to compare ssim with"):
        compared(path, tmp_path / "out")
    path = write_benchmark(tmp_path, scans, metrics=["ssim"])
    with pytest.raises(ConfigError, match="lower translates nothing"):
        compared(path, tmp_path / "out")


def test_only_the_oracle_learns_from_held_out_labels(
    tmp_path: Path, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, set[tuple[str, bool]]] = {}
    fit = cmda_toy.ToySegmenter.fit

    def watched(self: cmda_toy.ToySegmenter, data: SegmentationData, run: Run) -> None:
        seen[run.folder.name] = {(case.modality, case.translated_from is None) for case in data.cases}
        assert all(case.labels is not None for case in data.cases)
        fit(self, data, run)

    monkeypatch.setattr(cmda_toy.ToySegmenter, "fit", watched)
    compared(write_benchmark(tmp_path, scans), tmp_path / "out")
    assert seen == {
        "source-only": {("ceT1", True)},
        "toy": {("ceT1", True), ("hrT2", False)},
        "oracle": {("hrT2", True)},
    }
    labelled = [path.relative_to(tmp_path).parts for path in tmp_path.glob("out/**/prepared-oracle")]
    assert {parts[2] for parts in labelled} == {"upper-oracle"}
    for path in tmp_path.glob("out/runs/*/*/prepared/*/target.json"):
        assert not any({"labels", "grade"} & case.keys() for case in json.loads(path.read_text())["cases"])


def test_an_oracle_without_labels_is_refused(tmp_path: Path, scans: Path) -> None:
    path = write_benchmark(tmp_path, scans, settings={"data": {"reference": None}})
    with pytest.raises(ConfigError, match=r"data\.reference"):
        compared(path, tmp_path / "out")
    few = tmp_path / "few"
    few.mkdir()
    for case in range(211, 215):
        name = f"crossmoda2021_ldn_{case}_Label.nii.gz"
        (few / name).write_bytes((scans / "crossmoda2022_reference" / name).read_bytes())
    path = write_benchmark(tmp_path, scans, settings={"data": {"reference": str(few)}})
    result = compared(path, tmp_path / "out")
    assert [one.entry for one in result.failed] == ["Upper (oracle)"]
    assert "lacks the labels of 2 of 2 training scans" in str(result.failed[0].failure)


def test_two_benchmarks_cannot_work_in_one_folder_and_foreign_folders_are_refused(
    tmp_path: Path, scans: Path
) -> None:
    path, out = write_benchmark(tmp_path, scans), tmp_path / "out"
    out.mkdir()
    with FileLock(out / ".lock"), pytest.raises(RunError, match="another process"):
        compared(path, out)
    (out / "thesis.docx").touch()
    with pytest.raises(RunError, match="is not a benchmark, and not empty"):
        compared(path, out)


def test_processes_give_the_same_table_as_one(tmp_path: Path, scans: Path) -> None:
    path = write_benchmark(tmp_path, scans)
    alone = compared(path, tmp_path / "alone")
    several = compared(path, tmp_path / "several", jobs=2)
    assert several.comparison == alone.comparison
    assert events(tmp_path / "several", "started")["prepare"] == 1
