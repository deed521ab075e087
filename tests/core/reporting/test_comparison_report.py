"""The report of a comparison, made from runs whose scores are known."""

from __future__ import annotations

import json
import re

import pytest
from browser import Browser, find_chromium

from cmda_core.files import write_text
from cmda_core.pipeline.benchmark.runs import Outcome
from cmda_core.pipeline.benchmark.tables import compare_runs
from cmda_core.reporting.comparison import ComparedRun, write_comparison_report
from cmda_core.schema.benchmark import Benchmark

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def out(tmp_path_factory, build_run):
    """Two entries with two seeds, of which one run failed."""
    out = tmp_path_factory.mktemp("comparison")
    outcomes = []
    for entry in ("mine", HOSTILE):
        for seed in (0, 1):
            if (entry, seed) == (HOSTILE, 1):
                outcomes.append(Outcome(entry, seed, out / "gone", failure="the loss is not finite"))
                continue
            fake = build_run(out / f"{len(outcomes)}").everything()
            other = "msf-net" if entry == "mine" else "source-only"
            for folder in (fake.run / "segmented").iterdir():
                if folder.name != other:
                    folder.rename(fake.root / "unused")
            table = fake.run / "evaluation" / "per_case.csv"
            rows = table.read_text().splitlines()
            write_text(table, "\n".join([rows[0], *(row for row in rows[1:] if row.startswith(other))]))
            event = {"stage": "prepare", "event": "shared", "seconds": 41.2, "peak_mb": 900.5}
            if seed:
                write_text(fake.run / "journal.jsonl", json.dumps(event) + "\n")
            outcomes.append(Outcome(entry, seed, fake.run, 10.0))
    benchmark = Benchmark(name="two", seeds=(0, 1), entries=({"name": "mine"}, {"name": HOSTILE}))
    comparison, scores = compare_runs(benchmark, outcomes, out)
    runs = [ComparedRun(one.entry, one.seed, one.folder) for one in outcomes if one.failure is None]
    write_comparison_report(comparison, runs, scores, out, "name: two\n")
    return out


def content(page):
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', page.read_text())
    return json.loads(found[1])


def test_it_shows_the_tables_and_what_failed(out):
    text = (out / "report" / "index.html").read_text()
    for words in (
        "2 entries · 2 seeds",
        "Ranking",
        "the loss is not finite",
        "41.2 s",
        "0.88 GiB",
        "name: two",
    ):
        assert words in text
    assert text.count('<svg class="strips"') == 4
    assert text.count('<svg class="scatter"') == 4
    assert "<polyline" in text


def test_a_case_has_every_entry_and_seed(out):
    facts = content(out / "report" / "cases" / "test-001.html")
    assert facts["seeds"] == [0, 1]
    maps = {one["name"]: [each["seed"] for each in one["maps"]] for one in facts["overlays"]}
    assert maps == {"reference": [None], "mine": [0, 1], HOSTILE: [0]}
    assert {(one["entry"], one["seed"]) for one in facts["dice"]} == {("mine", 0), ("mine", 1), (HOSTILE, 0)}


def test_every_translator_is_shown(out):
    facts = content(out / "report" / "cases" / "source-003.html")
    names = [one["name"] for one in facts["images"]]
    assert names[:3] == ["ceT1", "fake hrT2 (mine, seed 0)", f"fake hrT2 ({HOSTILE}, seed 0)"]


def test_names_of_entries_cannot_change_the_pages(out):
    for page in (out / "report").rglob("*.html"):
        assert "<img src=x" not in page.read_text()


@pytest.mark.skipif(find_chromium() is None, reason="needs Chromium or Chrome, found neither")
def test_it_opens_in_a_browser(out, tmp_path):
    browser = Browser(str(find_chromium()), tmp_path / "profile")
    try:
        for name in ("index.html", "cases/source-003.html", "cases/test-001.html"):
            browser.open(out / "report" / name)
            if name != "index.html":
                browser.wait(lambda: browser.run("document.body.dataset.drawn"), "the panes are drawn")
            assert browser.problems == []
        dice = "[...document.querySelectorAll('#overlays tbody tr')].map(one => one.cells[2].textContent)"
        first = browser.run(dice)
        browser.run(
            "Object.assign(document.getElementById('seed'), {value: 1}).dispatchEvent(new Event('change'))"
        )
        browser.wait(lambda: browser.run(dice) != first, "the other seed is shown")
        assert browser.run(dice)[2] == "–"  # of the run that failed
        assert browser.problems == []
    finally:
        browser.close()
