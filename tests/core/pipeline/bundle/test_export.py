"""A bundle holds the chain, says what is in it, and does what its run does."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from cmda_core.errors import BrokenPluginError, NotTrainedError, OutputError, RunError
from cmda_core.pipeline import run_experiment
from cmda_core.pipeline.bundle import export_bundle
from cmda_core.pipeline.inference import grade_files, segment_files, translate_files
from cmda_core.progress import Silent
from cmda_core.registry import Registry
from cmda_core.schema import Experiment

CPU = {"device": "cpu"}


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A run to be changed."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def test_the_manifest_lists_every_file_with_size_and_checksum(exported: Path) -> None:
    with ZipFile(exported) as archive:
        manifest = json.loads(archive.read("bundle.json"))
        contents = {name: archive.read(name) for name in archive.namelist() if name != "bundle.json"}
    assert (manifest["format"], manifest["version"]) == ("cmda-bundle", 1)
    assert {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in contents.items()} == {
        name: (file["size"], file["sha256"]) for name, file in manifest["files"].items()
    }
    assert "translator/weights.safetensors" in contents
    assert [(part["kind"], part["plugin"], part["version"]) for part in manifest["parts"]] == [
        ("preprocessor", "toy", "1"),
        ("translator", "toy", "1"),
        ("segmenter", "toy", "1"),
        ("grader", "toy", "1"),
    ]


def test_nothing_of_this_machine_is_in_it(exported: Path, trained: Path, dataset: Path) -> None:
    with ZipFile(exported) as archive:
        texts = [archive.read(name).decode() for name in archive.namelist() if name.endswith(".json")]
        experiment = json.loads(archive.read("bundle.json"))["experiment"]
    assert [text for text in texts if str(dataset) in text or str(trained) in text] == []
    assert "data" not in experiment
    assert set(experiment["runtime"]) == {"precision", "seed", "deterministic"}


def test_settings_that_are_paths_are_left_out(run: Path, registry: Registry, tmp_path: Path) -> None:
    settings = run / "experiment.yaml"
    settings.write_text(settings.read_text().replace("needs: null", f"needs: {tmp_path / 'weights'}"))
    assert "weights" in settings.read_text()
    export_bundle(run, tmp_path / "bundle", registry=registry)
    manifest = (tmp_path / "bundle" / "bundle.json").read_text()
    assert str(tmp_path) not in manifest
    assert json.loads(manifest)["experiment"]["translator"] == {"plugin": "toy", "steps": 30}


@pytest.mark.parametrize("name", ["model.zip", "model"])
def test_results_equal_those_of_the_run(
    name: str, trained: Path, scans: Path, registry: Registry, tmp_path: Path
) -> None:
    bundle = tmp_path / name
    export_bundle(trained, bundle, registry=registry)
    assert bundle.is_dir() == (name == "model")
    for model in (trained, bundle):
        out = tmp_path / f"out of {model.name}"
        common: dict[str, Any] = {"registry": registry, "runtime": CPU, "progress": Silent()}
        segment_files(model, scans, out, **common)
        translate_files(model, scans / "anna_hrT2.nii.gz", out, to="ceT1", **common)
        grade_files(model, scans, out / "grades.csv", **common)
    expected, found = tmp_path / f"out of {trained.name}", tmp_path / f"out of {name}"
    assert [path.name for path in sorted(found.iterdir())] == [
        "anna_Label.nii.gz",
        "anna_ceT1.nii.gz",
        "bob_Label.nii.gz",
        "grades.csv",
    ]
    for path in found.iterdir():
        assert path.read_bytes() == (expected / path.name).read_bytes(), path.name


def test_the_same_run_gives_the_same_bytes(
    exported: Path, trained: Path, registry: Registry, tmp_path: Path
) -> None:
    again = export_bundle(trained, tmp_path / "again.zip", registry=registry)
    assert again.path.read_bytes() == exported.read_bytes()
    with ZipFile(exported) as archive:
        assert again.sha256 == hashlib.sha256(archive.read("bundle.json")).hexdigest()


def test_what_is_there_is_not_overwritten(trained: Path, registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "scans.zip").write_text("precious")
    with pytest.raises(OutputError, match="is there already"):
        export_bundle(trained, tmp_path / "scans.zip", registry=registry)
    assert (tmp_path / "scans.zip").read_text() == "precious"


@pytest.mark.parametrize("name", ["model.cmda", "model"])
def test_a_plugin_that_saves_a_pickle_is_not_exported(
    name: str, run: Path, registry: Registry, tmp_path: Path
) -> None:
    (run / "translator" / "model" / "network.pth").write_bytes(b"\x80\x04.")
    with pytest.raises(BrokenPluginError, match=r"translator 'toy'.*network\.pth"):
        export_bundle(run, tmp_path / name, registry=registry)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_a_link_is_not_exported(run: Path, registry: Registry, tmp_path: Path) -> None:
    (run / "translator" / "model" / "more.json").symlink_to(run / "environment.json")
    with pytest.raises(BrokenPluginError, match="is a link"):
        export_bundle(run, tmp_path / "model.cmda", registry=registry)


def test_a_chain_that_is_not_whole(
    experiment: Experiment, registry: Registry, tmp_path: Path, run: Path
) -> None:
    run_experiment(
        experiment, tmp_path / "new", registry=registry, progress=Silent(), until="train-translator"
    )
    with pytest.raises(NotTrainedError, match="no trained segmenter"):
        export_bundle(tmp_path / "new", tmp_path / "model.cmda", registry=registry)


def test_a_run_without_grader_is_exported_without_one(
    run: Path, scans: Path, registry: Registry, tmp_path: Path
) -> None:
    shutil.rmtree(run / "grader")
    bundle = export_bundle(run, tmp_path / "model.cmda", registry=registry)
    assert [part.kind for part in bundle.parts] == ["preprocessor", "translator", "segmenter"]
    segment_files(bundle.path, scans, tmp_path / "out", registry=registry, progress=Silent())
    with pytest.raises(NotTrainedError, match="the bundle has no grader"):
        grade_files(bundle.path, scans, tmp_path / "grades.csv", registry=registry, progress=Silent())


def test_models_of_before_a_change_are_not_mixed_with_new_ones(
    run: Path, experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    changed = Experiment.model_validate(
        {**experiment.model_dump(), "translator": {"plugin": "toy", "steps": 3}}
    )
    run_experiment(changed, run, registry=registry, progress=Silent(), until="translate")
    with pytest.raises(RunError, match="'train-segmenter:toy' is of before 'translate' was run again"):
        export_bundle(run, tmp_path / "model.cmda", registry=registry)


def test_a_run_by_another_version_of_a_plugin(run: Path, registry: Registry, tmp_path: Path) -> None:
    mark = run / "translator" / "stage.json"
    mark.write_text(mark.read_text().replace('"version": "1"', '"version": "0"'))
    with pytest.raises(RunError, match="ran with version 0 of the translator 'toy', and version 1"):
        export_bundle(run, tmp_path / "model.cmda", registry=registry)
