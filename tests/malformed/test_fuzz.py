"""Inputs that nobody thought of: read right, or refused with an error for people, and nothing else.

``CMDA_FUZZ=20000 pytest tests/malformed/test_fuzz.py`` looks for longer.
"""

from __future__ import annotations

import gzip
import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmda_core.datasets.dicom.contours import read_structure_set
from cmda_core.datasets.dicom.index import index_folder
from cmda_core.datasets.dicom.series import read_series
from cmda_core.datasets.grades import read_grades
from cmda_core.datasets.manifest import manifest_rows
from cmda_core.errors import CmdaError
from cmda_core.evaluation.comparison.scores import read_scores
from cmda_core.evaluation.predictions import read_predicted_grades
from cmda_core.pipeline import load_experiment
from cmda_core.pipeline.benchmark import load_benchmark
from cmda_core.pipeline.bundle.manifest import parse_manifest
from cmda_core.progress import Silent
from cmda_core.schema import Experiment, parse_settings
from cmda_core.schema.benchmark import Benchmark
from cmda_core.schema.names import plain_name
from cmda_core.volumes import read_labels, read_volume
from cmda_core.volumes.nifti import read_placement

from .conftest import in_time
from .corpus import Place
from .dicoms import series, structures
from .volumes import scan

EXAMPLES = int(os.environ.get("CMDA_FUZZ", "40"))
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="CMDA_FUZZ" not in os.environ,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

Change = tuple[int, int]
changes = st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=12)
header_changes = st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), max_size=6)
kept = st.one_of(st.just(1.0), st.floats(0, 1))


def damaged(content: bytes, where: list[Change], share: float) -> bytes:
    """Content with some bytes replaced, cut off somewhere."""
    result = bytearray(content)
    for place, value in where:
        if result:
            result[place % len(result)] = value
    return bytes(result[: round(len(result) * share)])


def refused_or_right(work: Any, *arguments: Any) -> Any:
    """What comes of a call; nothing if it was refused."""
    with in_time():
        try:
            return work(*arguments)
        except CmdaError as error:
            message = str(error)
            assert message.strip()
            assert "Traceback" not in message
            return None


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    scan(folder / "right.nii")
    return folder


@fuzzed
@given(where=header_changes, more=changes, share=kept, packed=st.booleans())
def test_volumes(files: Path, where: list[Change], more: list[Change], share: float, packed: bool) -> None:
    content = damaged((files / "right.nii").read_bytes(), [*where, *(more if not where else [])], share)
    path = files / ("scan.nii.gz" if packed else "scan.nii")
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        volume = refused_or_right(read_volume, path, "hrT2")
        labels = refused_or_right(read_labels, path)
        refused_or_right(read_placement, path)
    if volume is not None:
        assert volume.voxels.dtype == np.float32
        assert np.isfinite(volume.voxels).all()
        assert np.isfinite(volume.affine).all()
        assert min(volume.spacing) > 0
    if labels is not None:
        assert labels.voxels.dtype == np.uint8


@fuzzed
@given(where=changes, share=kept)
def test_packed_volumes(files: Path, where: list[Change], share: float) -> None:
    """Damage of the compressed bytes never goes unseen."""
    right = gzip.compress((files / "right.nii").read_bytes(), 1, mtime=0)
    content = damaged(right, [(10 + place % (len(right) - 10), value) for place, value in where], share)
    (files / "scan.nii.gz").write_bytes(content)
    volume = refused_or_right(read_volume, files / "scan.nii.gz", "hrT2")
    if volume is not None:
        np.testing.assert_array_equal(volume.voxels, read_volume(files / "right.nii", "hrT2").voxels)


cells = st.one_of(
    st.sampled_from(
        ["", "1", "2.0", "-1", "nan", "source", "test", "a", "gone.nii.gz", '"', "0.5", "9" * 30]
    ),
    st.text(max_size=8),
)
COLUMNS = [
    "crossmoda_name",
    "koos",
    "case",
    "class",
    "p1",
    "split",
    "image",
    "grade",
    "entry",
    "Team",
    "VS_Dice",
]
headers = st.lists(st.sampled_from(COLUMNS) | st.text(max_size=6), min_size=1, max_size=8)


@fuzzed
@given(header=headers, rows=st.lists(st.lists(cells, max_size=9), max_size=6), sign=st.sampled_from(",;\t"))
def test_tables(files: Path, header: list[str], rows: list[list[str]], sign: str) -> None:
    text = "\n".join(sign.join(row) for row in [header, *rows])
    path = files / "table.csv"
    path.write_bytes(text.encode(errors="surrogateescape"))
    for read in (read_grades, manifest_rows, read_predicted_grades, read_scores):
        refused_or_right(read, path)


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
trees = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = [*Experiment.model_fields, "preset", "plugin"]


@fuzzed
@given(values=st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=6), trees, max_size=5))
def test_experiments(files: Path, values: dict[str, Any]) -> None:
    path = files / "mine.yaml"
    path.write_text(json.dumps(values))
    refused_or_right(load_experiment, str(path))
    refused_or_right(parse_settings, Experiment, values, "here")


@fuzzed
@given(text=st.text("ab:-[]{}#&*!|>%@`'\"?,.<0~ \n\t\x00\x1b\u2028", max_size=60))
def test_yaml(files: Path, text: str) -> None:
    path = files / "mine.yaml"
    path.write_text(text)
    refused_or_right(load_experiment, str(path))
    refused_or_right(load_benchmark, str(path))
    refused_or_right(lambda: load_experiment("demo", overrides=[f"name={text}"]))


@fuzzed
@given(values=st.dictionaries(st.sampled_from(list(Benchmark.model_fields)), trees, max_size=6))
def test_benchmarks(files: Path, values: dict[str, Any]) -> None:
    path = files / "mine.yaml"
    path.write_text(json.dumps(values))
    refused_or_right(load_benchmark, str(path))


@fuzzed
@given(tree=trees, key=st.sampled_from(["version", "parts", "files", "experiment", "format", "cmda"]))
def test_manifests_of_bundles(place: Place, tree: Any, key: str) -> None:
    content = json.loads((place.bundle / "bundle.json").read_text())
    refused_or_right(parse_manifest, json.dumps({**content, key: tree}).encode(), "here")
    refused_or_right(parse_manifest, json.dumps(tree).encode(), "here")


@fuzzed
@given(where=changes, share=kept, which=st.booleans())
def test_dicom(place: Place, tmp_path: Path, where: list[Change], share: float, which: bool) -> None:
    right = structures(place.dicom) if which else series(place.dicom)[2]
    path = tmp_path / "one.dcm"
    path.write_bytes(damaged(right.read_bytes(), where, share))
    if which:
        refused_or_right(read_structure_set, path)
    else:
        refused_or_right(read_series, [*series(place.dicom)[:2], path], "ceT1", "case")
    refused_or_right(index_folder, tmp_path, Silent())


@fuzzed
@given(name=st.text(max_size=20))
def test_a_plain_name_stays_in_its_folder(name: str) -> None:
    try:
        plain_name(name)
    except ValueError:
        return
    assert (Path("/a/folder") / f"{name}_Label.nii.gz").parent == Path("/a/folder")
