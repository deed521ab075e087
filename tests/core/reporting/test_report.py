import json
import re
from html.parser import HTMLParser

import pytest

from cmda_core.errors import DataError, RunError
from cmda_core.files import write_text
from cmda_core.pipeline.experiments import dump_experiment
from cmda_core.preparation import QUALITY_FILE, CaseQuality, read_quality, write_quality
from cmda_core.pseudolabels import PSEUDO_LABELS, PseudoLabel, Verdict, write_verdicts
from cmda_core.reporting import write_report
from cmda_core.schema import Experiment

VOID = {"meta", "img", "br", "input", "link", "hr"}


class Page(HTMLParser):
    """Collects what the tests ask for, and fails on tags that do not close."""

    def __init__(self, path):
        super().__init__()
        self.open, self.images, self.links, self.ids, self.texts = [], [], [], [], []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.images += [values] if tag == "img" else []
        self.links += [values[key] for key in ("href", "src") if key in values]
        self.ids += [values["id"]] if "id" in values else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.texts))


@pytest.fixture
def full(fake_run):
    return fake_run.everything()


@pytest.fixture(scope="module")
def written(tmp_path_factory, build_run):
    """A run with its report, for tests that only read."""
    fake = build_run(tmp_path_factory.mktemp("written")).everything()
    write_report(fake.run)
    return fake


def test_the_page_is_whole_and_needs_no_network(written):
    index = written.run / "report" / "index.html"
    page = Page(index)
    assert "://" not in re.sub(r"<pre>.*?</pre>", "", page.source, flags=re.DOTALL)
    assert len(page.images) == 2 + 2 + 2
    for image in page.images:
        assert (index.parent / image["src"]).stat().st_size < 300_000
        assert len(image["alt"]) > 20
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_the_numbers_are_those_of_the_summary(written):
    text = Page(written.run / "report" / "index.html").text
    summary = json.loads((written.run / "evaluation" / "summary.json").read_text())
    scores = summary["segmentation"]["msf-net"]["vs"]
    assert f"{scores['dice']['mean']:.3f} ± {scores['dice']['sd']:.3f}" in text
    assert f"{summary['grading']['msf-koos-net']['mamse']:.3f}" in text
    assert summary["definitions"]["assd_mm"] in text
    assert "5 min 02 s" in text
    assert "2.05 GiB" in text


def test_reliability_is_drawn_for_every_grader(written):
    page = Page(written.run / "report" / "index.html")
    summary = json.loads((written.run / "evaluation" / "summary.json").read_text())
    assert page.source.count('<svg class="reliability"') == len(summary["grading"]) == 2
    scores = summary["grading"]["volumetrics"]
    filled = [one for one in scores["reliability"] if one["cases"]]
    for one in filled:
        told = f"{one['cases']} cases: confidence {one['confidence']:.2f}, right {one['accuracy']:.2f}"
        assert told in page.source
    for key in ("ece", "brier", "rps"):
        assert f"{scores[key]:.3f}" in page.text


def test_graders_without_probabilities_have_scores_and_no_drawing(full):
    for path in (full.run / "graded").glob("*/predictions.csv"):
        path.write_text("\n".join(["case,class", *(f"{case},2" for case in full.cases)]))
    full.evaluated()
    page = Page(write_report(full.run))
    summary = json.loads((full.run / "evaluation" / "summary.json").read_text())
    assert summary["grading"]["volumetrics"]["ece"] is None
    assert summary["grading"]["volumetrics"]["reliability"] == []
    assert '<svg class="reliability"' not in page.source
    assert "MA-MAE" in page.text


def test_scans_that_stand_out_are_listed_first(full):
    cases = [
        CaseQuality("source", "plain", "ceT1", {"agreement": 0.3}, ()),
        CaseQuality("test", "odd", "hrT2", {"agreement": 0.1}, ("the scan is turned by 39°", "<b>")),
    ]
    write_quality(full.run / "prepared" / QUALITY_FILE, cases)
    page = Page(write_report(full.run))
    assert "1 of 2 scans should be looked at" in page.text
    assert "the scan is turned by 39°; <b>" in page.text
    assert read_quality(full.run / "prepared" / QUALITY_FILE) == cases


def test_it_shows_what_was_run(written):
    text = Page(written.run / "report" / "index.html").text
    for word in ("phantom demo", "msf-net", "nnunet", "2024-05-17 10:00", "perceptual", "packages.torch"):
        assert word in text


def test_the_same_run_gives_the_same_bytes(full):
    def contents():
        assert write_report(full.run) == full.run / "report" / "index.html"
        return {path.name: path.read_bytes() for path in (full.run / "report").rglob("*") if path.is_file()}

    assert contents() == contents()


def test_pictures_of_an_earlier_report_go(full):
    write_report(full.run)
    stale = full.run / "report" / "pictures" / "segmentation-999.png"
    stale.write_bytes(b"old")
    write_report(full.run)
    assert not stale.exists()


def test_names_of_cases_cannot_change_the_page(fake_run):
    name = "<script>alert(1)</script>\"'&"
    scores = "entry,case,structure,dice,assd_mm,hd95_mm,volume_mm3,reference_mm3,note\n"
    quoted = '"' + name.replace('"', '""') + '"'
    (fake_run.run / "evaluation").mkdir()
    (fake_run.run / "evaluation" / "per_case.csv").write_text(f"{scores}{quoted},{quoted},vs,0.5,1,2,3,4,\n")
    page = Page(write_report(fake_run.run))
    assert "<script>alert" not in page.source
    assert name in page.text


def test_a_run_that_has_only_begun(fake_run):
    text = Page(write_report(fake_run.run)).text
    for sentence in (
        "No segmentation has been evaluated",
        "No grade has been evaluated",
        "No scan has been segmented yet",
        "The source scans have not been translated yet",
        "There are no scores of single cases",
        "No training has logged anything yet",
        "The scans have not been prepared yet",
        "The run has no journal",
    ):
        assert sentence in text


@pytest.mark.parametrize("missing", ["data", "reference"])
def test_scans_that_are_gone_are_named(full, missing):
    getattr(full, missing).rename(full.root / "elsewhere")
    page = Page(write_report(full.run))
    assert "cannot be shown" in page.text
    assert "no such folder" in page.text
    shown = [image for image in page.images if "segmentation" in image["src"]]
    assert len(shown) == (0 if missing == "data" else 2)


def test_a_prediction_on_another_grid_is_named(full):
    other = full.run / "segmented" / "msf-net" / f"{full.cases[0]}_Label.nii.gz"
    other.write_bytes((full.data / "validation" / f"{full.cases[1]}_hrT2.nii.gz").read_bytes())
    text = Page(write_report(full.run)).text
    assert f"{full.cases[0]} cannot be shown" in text


def test_failed_stages_are_shown(full):
    with (full.run / "journal.jsonl").open("a") as stream:
        stream.write('\n{"stage": "evaluate", "event": "failed", "seconds": 3.0, "reason": "disk full"}\n')
        stream.write('{"stage": "prepare", "event": "skipped"}\n')
    text = Page(write_report(full.run)).text
    assert "evaluate 3.0 s" in text
    assert "41.2 s" in text


def test_it_needs_a_run(tmp_path):
    with pytest.raises(RunError, match="is not a run folder"):
        write_report(tmp_path)


def test_damaged_tables_are_refused(full):
    (full.run / "evaluation" / "summary.json").write_text("{")
    with pytest.raises(DataError, match=r"summary.json: is damaged"):
        write_report(full.run)


def test_the_rounds_of_self_training_are_told(fake_run):
    write_report(fake_run.run)
    assert "self-training" not in Page(fake_run.run / "report" / "index.html").ids
    own = {**fake_run.experiment.model_dump(), "self_training": {"rounds": 2}}
    write_text(fake_run.run / "experiment.yaml", dump_experiment(Experiment.model_validate(own)))
    labels = [
        PseudoLabel("anna", {"vs": 0.91, "cochlea": 0.83}, {"vs": 812.0, "cochlea": 61.0}, 0.0125),
        PseudoLabel("<bob>", {"vs": 0.93, "cochlea": 0.87}, {"vs": 912.0, "cochlea": 63.0}, 0.0),
        PseudoLabel("carl", {"vs": 0.5, "cochlea": 0.8}, {"vs": 10.0, "cochlea": 50.0}, 0.0),
    ]
    verdicts = [Verdict(labels[0], ""), Verdict(labels[1], ""), Verdict(labels[2], "vs is uncertain (0.50)")]
    write_verdicts(fake_run.run / "pseudo-labels" / "msf-net-student-1" / PSEUDO_LABELS, verdicts)
    write_report(fake_run.run)
    page = Page(fake_run.run / "report" / "index.html")
    assert "self-training" in page.ids
    assert "msf-net-student-1 msf-net 2 of 3 0.920 862 0.850 62" in page.text
    assert "carl msf-net-student-1 0.500 10 0.800 50 0.00 % vs is uncertain (0.50)" in page.text
    assert "anna msf-net-student-1 0.910 812 0.830 61 1.25 %" in page.text
    assert "msf-net-student-2" not in page.text
