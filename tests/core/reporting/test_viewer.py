"""What the pages of single cases hold, without a browser; `test_pages.py` opens them in one."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cmda_core.preparation import QUALITY_FILE, CaseQuality, write_quality
from cmda_core.reporting import write_report
from cmda_core.reporting.viewer.images import on_native_grid
from cmda_core.reporting.viewer.packing import packed_image, packed_labels
from cmda_core.schema import Cohort, Pose
from cmda_core.volumes import Volume


def received(path: Path) -> Any:
    """What a script hands to the page."""
    call = re.fullmatch(r'cmda\.receive\("([\w-]+)", (.*)\);\n', path.read_text(), flags=re.DOTALL)
    assert call is not None
    return json.loads(call[2])


def content(page: Path) -> Any:
    """What a page is told of its case."""
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', page.read_text())
    assert found is not None
    return json.loads(found[1])


def unpacked(runs: list[int], size: int) -> np.ndarray:
    """An independent reading of the runs of a slice."""
    flat, position = np.zeros(size, np.uint8), 0
    for gap, length, label in zip(runs[::3], runs[1::3], runs[2::3], strict=True):
        flat[position + gap : position + gap + length] = label
        position += gap + length
    return flat


def test_runs_hold_every_voxel():
    slices = np.random.default_rng(0).integers(0, 3, (5, 7, 9)).astype(np.uint8)
    slices[1] = 0
    slices[2] = 2
    packed = packed_labels(slices)
    assert packed[1] == []
    assert packed[2] == [0, 63, 2]
    for one, runs in zip(slices, packed, strict=True):
        assert np.array_equal(unpacked(runs, 63).reshape(7, 9), one)


def test_images_are_grey_within_their_window():
    ramp = np.tile(np.linspace(-50, 150, 64, dtype=np.float32), (1, 32, 1))
    (slice_,) = packed_image(ramp, (0.0, 100.0))
    grey = np.asarray(Image.open(io.BytesIO(base64.b64decode(slice_))), float)
    assert np.abs(grey - np.clip(ramp[0] * 2.55, 0, 255)).max() < 6


def test_a_prepared_scan_comes_back_to_its_place():
    """A landmark in mm stays where it is, through a turn, a shift and another spacing."""
    turn = np.array([[0.0, -1, 0, 4], [1, 0, 0, -3], [0, 0, 1, 2], [0, 0, 0, 1]])
    crop = np.diag([1.5, 1.5, 2.0, 1.0])
    voxels = np.full((20, 20, 12), -1.0, np.float32)
    voxels[9:12, 5:8, 4:7] = 1
    native = np.array([[-1.0, 0, 0, 12], [0, 1.0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 1]])
    pose = Pose(native={"shape": (40, 40, 30), "affine": native}, to_native=turn)
    back = on_native_grid(Volume(voxels, crop, "hrT2", "case"), pose)
    middle = (turn @ crop @ np.array([10, 6, 5, 1]))[:3]
    found = np.argwhere(back.voxels > 0.5).mean(axis=0)
    assert (native @ [*found, 1])[:3] == pytest.approx(middle, abs=0.3)
    assert back.grid == pose.native
    assert back.voxels.min() == -1


@pytest.fixture(scope="module")
def written(tmp_path_factory, build_run):
    fake = build_run(tmp_path_factory.mktemp("viewer")).everything()
    write_report(fake.run)
    return fake


def test_every_case_has_a_page(written):
    names = {path.name for path in (written.run / "report" / "cases").glob("*.html")}
    stems = ("test-001", "test-002", "source-003", "source-004", "target-005", "target-006")
    assert names == {f"{stem}.html" for stem in stems}
    index = (written.run / "report" / "index.html").read_text()
    assert all(f'href="cases/{name}"' in index for name in names)


def test_a_test_case_is_shown_on_its_own_grid(written):
    cases = written.run / "report" / "cases"
    facts = content(cases / "test-001.html")
    assert (facts["size"], facts["spacing"]) == ([64, 64, 12], [1.6, 1.6, 3.0])
    assert [one["name"] for one in facts["images"]] == ["hrT2", "fake ceT1", "cycle hrT2"]
    assert [one["name"] for one in facts["overlays"]] == ["reference", "msf-net", "source-only"]
    assert facts["layout"] == "entries"
    maps = received(cases / "test-001" / "labels.js")
    sizes = [sum(sum(runs[1::3]) for runs in one) for one in maps]
    scores = {row["entry"]: row["dice"] for row in facts["dice"] if row["structure"] == "vs"}
    assert sizes[0] == sizes[1] > 0
    assert scores["msf-net"] == 1.0
    assert len(received(cases / "test-001" / "image-1.js")) == 12


def test_a_training_case_is_shown_with_its_translations(written):
    facts = content(written.run / "report" / "cases" / "source-003.html")
    assert [one["name"] for one in facts["images"]] == ["ceT1", "fake hrT2", "cycle ceT1"]
    assert [one["name"] for one in facts["overlays"]] == ["reference"]
    assert facts["layout"] == "images"


def test_pages_of_an_earlier_report_go(fake_run):
    fake_run.everything()
    old = fake_run.run / "report" / "cases" / "test-099" / "labels.js"
    old.parent.mkdir(parents=True)
    old.write_text("old")
    write_report(fake_run.run)
    assert not old.parent.exists()


def test_a_translation_that_cannot_be_placed_is_named(fake_run):
    fake_run.everything()
    path = fake_run.run / "translated" / "test.json"
    cohort = Cohort.load(path)
    Cohort(name="test", cases=tuple(case.model_copy(update={"pose": None}) for case in cohort)).save(path)
    index = write_report(fake_run.run)
    assert "fake ceT1 cannot be shown" in index.read_text()
    images = content(index.parent / "cases" / "test-001.html")["images"]
    assert [one["name"] for one in images] == ["hrT2", "cycle hrT2"]


def test_hostile_names_stay_words(tmp_path, build_run):
    """A case, an entry, an experiment and a concern that try to be something else."""
    case, closing = "<img src=x onerror=alert(1)>'&", "</script><script>alert(1)</script>"
    fake = build_run(tmp_path, cases=("plain", case)).everything()
    (fake.run / "segmented" / "msf-net").rename(fake.run / "segmented" / case)
    settings = fake.run / "experiment.yaml"
    settings.write_text(settings.read_text().replace("phantom demo", closing))
    table = fake.run / "evaluation" / "per_case.csv"
    table.write_text(table.read_text().replace("msf-net,plain,vs", f"{closing},plain,vs"))
    write_quality(fake.run / "prepared" / QUALITY_FILE, [CaseQuality("test", case, "hrT2", {}, (closing,))])
    index = write_report(fake.run)
    pages = sorted((index.parent / "cases").glob("*.html"))
    assert len(pages) == 6
    for page in (index, *pages):
        for attack in ("<script>alert", "<img src=x"):
            assert attack not in page.read_text()
    (plain,) = [facts for facts in map(content, pages) if facts["case"] == "plain"]
    assert closing in {row["entry"] for row in plain["dice"]}
    assert case in {one["name"] for one in plain["overlays"]}
