"""Plugins that misbehave: who it was and what was wrong is said, and the run goes on without them."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from types import SimpleNamespace

import cmda_toy
import cmda_unruly
import pytest
import yaml

from cmda_core.errors import BrokenPluginError, CmdaError, ContractError, HeldOutError, OutputError, RunError
from cmda_core.hookspecs import TranslatorOffer, hookimpl
from cmda_core.pipeline import run_experiment
from cmda_core.pipeline.benchmark import load_benchmark, run_benchmark
from cmda_core.pipeline.benchmark.limits import within
from cmda_core.pipeline.journal import Journal
from cmda_core.progress import Silent
from cmda_core.registry import Registry
from cmda_core.schema import Experiment

MISDEEDS = [
    ("translator", "raise", r"fit\(\) raised ZeroDivisionError: a bug"),
    ("translator", "exit", r"fit\(\) raised SystemExit: 0"),
    ("translator", "run out of memory", r"fit\(\) raised MemoryError. Choose a smaller batch"),
    ("translator", "build", r"build\(\) raised AttributeError: no such layer"),
    ("translator", "check", r"check\(\) raised IndexError: no GPU 7"),
    ("translator", "load", r"load\(\) raised EOFError: half a file"),
    ("translator", "save nothing", r"save\(\) made no folder"),
    ("translator", "type", r"translate\(\) returned a ndarray. A translator returns a Volume"),
    ("translator", "raise at inference", r"translate\(\) raised KeyError: 'weights'"),
    ("translator", "grid", r"mm away from its image .* A translator keeps the grid"),
    ("translator", "shape", r"came out with \(11, 10, 6\). A translator keeps the grid"),
    ("translator", "modality", r"was to become hrT2 and became 'ceT1'"),
    ("translator", "NaN", r"NaN or infinite intensities"),
    ("translator", "range", r"intensities from .* to .* Prepared intensities lie in \[-1, 1\]"),
    ("translator", "float64", r"came out as float64. Intensities are a numpy array of float32"),
    ("segmenter", "raise", r"fit\(\) raised ZeroDivisionError"),
    ("segmenter", "type", r"segment\(\) returned a LabelVolume. A segmenter returns a Segmentation"),
    ("segmenter", "grid", r"mm away from its image .* A segmenter keeps the grid"),
    ("segmenter", "shape", r"came out with \(11, 10, 6\). A segmenter keeps the grid"),
    ("segmenter", "labels", r"came out with label 3. The task has 0 to 2"),
    ("segmenter", "dtype", r"labels as int64. They are a numpy array of uint8"),
    ("segmenter", "NaN", r"probabilities that are none"),
    ("segmenter", "sum", r"probabilities that are none. Those of a voxel .* sum of 1"),
    ("segmenter", "probabilities", r"They are an array of shape \(3, 12, 10, 6\)"),
    ("grader", "raise", r"fit\(\) raised ZeroDivisionError"),
    ("grader", "type", r"grade\(\) returned a int. A grader returns a KoosPrediction"),
    ("grader", "grade", r"got the grade 5. A Koos grade is 1, 2, 3 or 4"),
    ("grader", "bool", r"got the grade True"),
    ("grader", "case", r"was graded as 'another'. A grader keeps the case"),
    ("grader", "probabilities", r"probabilities \(0.5, 0.5\). They are four"),
    ("grader", "NaN", r"They are four, from 0 to 1, with a sum of 1"),
    ("grader", "sum", r"They are four, from 0 to 1, with a sum of 1"),
    ("preprocessor", "raise", r"fit\(\) raised ZeroDivisionError"),
    ("preprocessor", "type", r"prepare\(\) returned a dict. A preprocessor returns a PreparedCase"),
    ("preprocessor", "crops", r"has no crop 'affined'"),
    ("preprocessor", "raise at inference", r"prepare\(\) raised KeyError: 'atlas'"),
    ("preprocessor", "NaN", r"NaN or infinite intensities"),
    ("preprocessor", "list", r"came out as|has no attribute"),
    ("preprocessor", "restore", r"restore\(\) goes back to the grid of the scan"),
]
UNTIL = {"preprocessor": "segment", "translator": "translate", "segmenter": "segment", "grader": "grade"}


@pytest.fixture(scope="module")
def until_grading(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is done but for what is called unruly."""
    return tmp_path_factory.mktemp("unruly") / "run"


def experiment_of(dataset: Path, **plugins: object) -> Experiment:
    toys: dict[str, object] = dict.fromkeys(("preprocessor", "segmenter", "grader"), "toy")
    return Experiment.model_validate(
        {
            "data": {"root": dataset, "reference": dataset / "crossmoda2022_reference"},
            "translator": {"plugin": "toy", "steps": 1},
            "runtime": {"device": "cpu", "threads": 1},
            **toys,
            **plugins,
        }
    )


def run(experiment: Experiment, folder: Path, until: str | None = None) -> None:
    run_experiment(
        experiment,
        folder,
        registry=cmda_unruly.registry(),
        progress=Silent(),
        until=until,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(("kind", "misdeed", "message"), MISDEEDS)
def test_the_plugin_and_the_broken_rule_are_named(
    kind: str, misdeed: str, message: str, dataset: Path, tmp_path: Path, until_grading: Path
) -> None:
    folder = until_grading if kind in ("segmenter", "grader") else tmp_path
    unruly = {"plugin": "unruly", "steps": 1, "misdeed": misdeed}
    with pytest.raises(BrokenPluginError, match=f"^{kind} 'unruly': .*{message}"):
        run(experiment_of(dataset, **{kind: unruly}), folder, UNTIL[kind])


def test_a_run_is_usable_after_all_that(dataset: Path, until_grading: Path) -> None:
    unruly = {"plugin": "unruly", "misdeed": "raise"}
    with pytest.raises(BrokenPluginError):
        run(experiment_of(dataset, grader=unruly), until_grading)
    run(experiment_of(dataset), until_grading)
    assert (until_grading / "report" / "index.html").is_file()


def test_a_full_disk_is_not_blamed_on_the_plugin(dataset: Path, tmp_path: Path) -> None:
    unruly = {"plugin": "unruly", "misdeed": "fill the disk"}
    with pytest.raises(
        OutputError, match=r"translator 'unruly': fit\(\): a file: cannot be written \(No space left"
    ):
        run(experiment_of(dataset, translator=unruly), tmp_path, "translate")


def test_what_a_plugin_did_outside_of_its_folder_is_made_anew(dataset: Path, tmp_path: Path) -> None:
    unruly = {"plugin": "unruly", "steps": 1, "misdeed": "write elsewhere"}
    with pytest.raises(ContractError, match=r"^translator 'unruly': changed .*source\.json, outside of its"):
        run(experiment_of(dataset, translator=unruly), tmp_path)
    run(experiment_of(dataset), tmp_path, "translate")
    started = [e["stage"] for e in Journal(tmp_path / "journal.jsonl").read() if e["event"] == "started"]
    assert started == ["prepare", "train-translator", "prepare", "train-translator", "translate"]
    unruly["misdeed"] = "make a folder elsewhere"
    with pytest.raises(ContractError, match=r"notes\.txt, outside of its folder"):
        run(experiment_of(dataset, translator=unruly), tmp_path, "translate")


def test_a_plugin_that_knows_where_the_truth_lies_cannot_open_it(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CMDA_TEST_TRUTH", str(dataset / "crossmoda2022_reference"))
    unruly = {"plugin": "unruly", "steps": 1, "misdeed": "peek"}
    with pytest.raises(HeldOutError, match=r"_Label\.nii\.gz: stage 'train-translator' tried to open it"):
        run(experiment_of(dataset, translator=unruly), tmp_path)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": "Not A Name"}, "lower-case words"),
        ({"name": 7}, "lower-case words"),
        ({"config": dict}, "subclass of PluginConfig"),
        ({"version": 2}, "version must be text"),
    ],
)
def test_an_offer_of_nonsense_is_put_aside(changes: dict[str, object], problem: str) -> None:
    given = {"name": "odd", "summary": "", "config": cmda_toy.ToyConfig, "reference": ""}
    offer = TranslatorOffer(**{**given, "build": None, "load": None, **changes})  # type: ignore[arg-type]

    @hookimpl
    def offer_translators() -> list[TranslatorOffer]:
        return [offer]

    registry = cmda_toy.registry()
    registry.add(SimpleNamespace(offer_translators=offer_translators), "odd")
    assert list(registry.translators()) == ["toy"]
    assert problem in str(registry.broken["odd"])


@pytest.mark.parametrize("content", ["import nowhere", "1 / 0", "import sys; sys.exit(3)", "x = ("])
def test_a_plugin_that_cannot_be_imported_is_put_aside(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib.metadata import EntryPoint

    from cmda_core import registry as registry_module

    (tmp_path / "cmda_broken_one.py").write_text(content)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "cmda_broken_one", raising=False)
    points = [
        EntryPoint(name, module, "cmda.plugins")
        for name, module in (("broken", "cmda_broken_one"), ("toy", "cmda_toy"))
    ]
    monkeypatch.setattr(registry_module, "entry_points", lambda group: points)
    registry = Registry.installed()
    assert "toy" in registry.translators()
    assert list(registry.broken) == ["broken"]
    with pytest.raises(CmdaError, match="Plugin 'broken' failed to load"):
        registry.translator("wanted")


def test_what_hangs_is_stopped() -> None:
    assert within(60, math.sqrt, (4,)) == 2
    start = time.monotonic()
    with pytest.raises(RunError, match=r"stopped after 0\.05 minutes \(limit_minutes\)"):
        within(3, time.sleep, (300,))
    assert time.monotonic() - start < 60
    with pytest.raises(RunError, match=r"its process died \(exit status 7\)"):
        within(60, os._exit, (7,))
    with pytest.raises(RunError, match=r"its process died \(SIGABRT\)"):
        within(60, os.abort, ())


@pytest.mark.slow
def test_entries_that_hang_or_crash_do_not_stop_the_others(dataset: Path, tmp_path: Path) -> None:
    experiment = experiment_of(dataset).model_dump(mode="json")
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(experiment))
    unruly = {"plugin": "unruly", "steps": 1}
    entries = [
        {"name": name, "settings": {"translator": {**unruly, "misdeed": name}}}
        for name in ("hang", "crash", "raise", "none")
    ]
    content = {"base": "base.yaml", "limit_minutes": 1.0, "entries": entries}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    benchmark, _ = load_benchmark(str(tmp_path / "mine.yaml"))
    result = run_benchmark(benchmark, tmp_path / "out", progress=Silent(), registry=cmda_unruly.registry)
    reasons = {one.entry: one.failure for one in result.outcomes}
    assert reasons["none"] is None
    assert reasons["hang"] == (
        "stage 'train-translator', translator 'unruly': was stopped after 1 minutes (limit_minutes)."
    )
    assert "translator 'unruly': its process died (exit status 7)" in str(reasons["crash"])
    assert "translator 'unruly': fit() raised ZeroDivisionError" in str(reasons["raise"])
