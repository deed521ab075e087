from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from cmda_cli import options
from cmda_core.schema import Runtime


@pytest.mark.usefixtures("toys")
def test_run_prints_one_json_object(cmda: Any, experiment: Path, tmp_path: Path) -> None:
    result = cmda("run", experiment, "--out", tmp_path / "run", "--json", "--set", "translator.steps=2")
    assert result.code == 0, result.err
    content = json.loads(result.out)
    assert set(content["segmentation"]["toy"]) == {"vs", "cochlea"}
    assert content["grading"]["toy"]["ma_mae"] >= 0
    assert content["seconds"]
    assert Path(content["report"]).is_file()


@pytest.mark.usefixtures("toys")
def test_train_stops_after_the_stage(cmda: Any, experiment: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = cmda("train", "translator", experiment, "--out", out, "--set", "translator.steps=2")
    assert result.code == 0, result.err
    assert (out / "translator" / "model").is_dir()
    assert not (out / "segmenter").exists()
    assert f"run: {out}" in result.out


@pytest.mark.usefixtures("toys")
def test_trained_run_segments_and_grades(cmda: Any, experiment: Path, tmp_path: Path) -> None:
    run, scans = tmp_path / "run", tmp_path / "scans/crossmoda2022_validation/validation"
    trained = cmda("train", "all", experiment, "--out", run, "--set", "translator.steps=2")
    assert trained.code == 0, trained.err
    segmented = cmda("segment", run, scans, tmp_path / "labels", "--device", "cpu")
    assert Path(segmented.out.strip()).name == "crossmoda2021_ldn_211_Label.nii.gz"
    translated = cmda("translate", run, scans, tmp_path / "fake", "--to", "ceT1", "--json")
    assert len(json.loads(translated.out)["files"]) == 1
    graded = cmda("grade", run, scans, tmp_path / "grades.csv", "--json")
    assert json.loads(graded.out)["crossmoda2021_ldn_211"]["class"] in (1, 2, 3, 4)
    scored = cmda("evaluate", tmp_path / "labels", tmp_path / "scans/crossmoda2022_reference", "--json")
    assert json.loads(scored.out)["segmentation"]["labels"]["vs"]["dice"]["mean"] is not None
    assert "not predicted" in scored.err


@pytest.mark.usefixtures("toys")
def test_unknown_plugin_is_named_with_a_suggestion(cmda: Any, experiment: Path, tmp_path: Path) -> None:
    result = cmda("run", experiment, "--out", tmp_path / "run", "--translator", "toyy")
    assert result.code == 1
    assert result.out == ""
    assert "no translator named 'toyy' is installed." in result.err
    assert "Did you mean 'toy'?" in result.err
    assert "Traceback" not in result.err
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("translator.step=2", "step: no such setting. Did you mean 'steps'?"),
        ("runtime.sead=2", "runtime.sead: no such setting. Did you mean 'seed'?"),
        ("translator.steps=[1]", "steps = [1]"),
    ],
)
def test_misspelt_setting(cmda: Any, experiment: Path, tmp_path: Path, assignment: str, message: str) -> None:
    result = cmda("run", experiment, "--out", tmp_path / "run", "--set", assignment)
    assert result.code == 1
    assert message in result.err


def test_assignment_without_equals_is_a_wrong_command_line(cmda: Any) -> None:
    result = cmda("run", "demo", "--set", "translator.steps")
    assert result.code == 2
    assert "expected KEY=VALUE" in result.err


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["run"], ["run", "demo", "--device", "tpu"], ["train", "everything", "demo"]]
)
def test_wrong_command_line(cmda: Any, arguments: list[str]) -> None:
    result = cmda(*arguments)
    assert result.code == 2
    assert result.out == ""


def test_missing_experiment(cmda: Any) -> None:
    result = cmda("run", "nowhere.yaml")
    assert result.code == 1
    assert "nowhere.yaml: no such experiment file" in result.err


def test_debug_shows_the_traceback(cmda: Any) -> None:
    result = cmda("run", "nowhere.yaml", "--debug")
    assert result.code == 1
    assert "Traceback" in result.err


@pytest.fixture
def at_a_terminal() -> Iterator[None]:
    """Interrupts are heard, which shells switch off for what they start in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("at_a_terminal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_tells_how_to_go_on(
    cmda: Any, experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def interrupt(*_arguments: object, **_options: object) -> None:
        os.kill(os.getpid(), number)

    monkeypatch.setattr("cmda_core.pipeline.run_experiment", interrupt)
    result = cmda("run", experiment, "--out", tmp_path / "run")
    assert result.code == 130
    assert "The same command goes on" in result.err
    assert str(tmp_path / "run") in result.err


def test_options_know_what_the_runtime_knows() -> None:
    assert options.Device == Runtime.model_fields["device"].annotation
    assert options.Precision == Runtime.model_fields["precision"].annotation
    assert options.Backend == Runtime.model_fields["backend"].annotation
    assert len(get_args(options.Device)) == 4


def test_set_wins_over_named_options() -> None:
    overrides = options.experiment_overrides(
        plugins={"translator": "toy"},
        device="cpu",
        devices=None,
        precision=None,
        seed=3,
        assignments=["runtime.seed=4"],
    )
    assert overrides == [
        'translator.plugin="toy"', 'runtime.device="cpu"', "runtime.seed=3", "runtime.seed=4",
    ]  # fmt: skip
