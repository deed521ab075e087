"""A whole run, with plugins that learn in milliseconds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import cmda_toy
import pytest
from filelock import FileLock

from cmda_core.errors import ConfigError, DataError, OutputError, RunError, UnknownPluginError
from cmda_core.pipeline import RunSummary, run_experiment
from cmda_core.pipeline.journal import Journal
from cmda_core.progress import Silent
from cmda_core.registry import Registry
from cmda_core.schema import Experiment

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(cmda_toy.__file__).parent)}


def run(experiment: Experiment, folder: Path, registry: Registry, **options: object) -> RunSummary:
    return run_experiment(experiment, folder, registry=registry, progress=Silent(), **options)  # type: ignore[arg-type]


def changed(experiment: Experiment, **changes: object) -> Experiment:
    return Experiment.model_validate(experiment.model_dump() | changes)


def events(folder: Path, event: str) -> list[str]:
    return [line["stage"] for line in Journal(folder / "journal.jsonl").read() if line["event"] == event]


def results(folder: Path) -> dict[str, bytes]:
    """Every file that a run makes, but for checkpoints and records of time and place."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.name
        not in {"stage.json", "journal.jsonl", "environment.json", ".lock", "checkpoint.safetensors"}
        and "report" not in path.relative_to(folder).parts
    }


def test_a_run_goes_from_scans_to_scores_and_report(
    experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    summary = run(experiment, tmp_path / "run", registry)
    assert summary.summary is not None
    assert set(summary.summary["segmentation"]) == {"toy", "source-only"}
    assert summary.summary["segmentation"]["toy"]["vs"]["dice"]["mean"] == pytest.approx(1.0)
    assert summary.summary["grading"]["toy"]["ma_mae"] == pytest.approx(1.0)
    assert summary.report == tmp_path / "run" / "report" / "index.html"
    assert summary.report.exists()
    assert set(summary.seconds) >= {"prepare", "train-translator", "train-segmenter:source-only", "grade:toy"}


def test_translations_are_scored_against_paired_scans(
    experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    paired = cmda_toy.write_paired(experiment.data.root, tmp_path / "paired")
    data = experiment.data.model_dump() | {"paired": paired}
    summary = run(changed(experiment, data=data), tmp_path / "run", registry)
    assert summary.summary is not None
    scores = summary.summary["translation"]["toy"]
    assert list(scores) == ["image", "vs", "cochlea"]
    assert scores["image"]["cases"] == 3
    assert scores["image"]["ssim"]["mean"] == pytest.approx(1, abs=1e-3)
    assert scores["vs"]["ssim"]["mean"] is None
    for region in scores.values():
        assert region["signal_error"]["mean"] == pytest.approx(0, abs=1e-2)
    assert len((tmp_path / "run/evaluation/translations.csv").read_text().splitlines()) == 1 + 3 * 3
    assert "Signal error" in (tmp_path / "run/report/index.html").read_text()
    assert '"name": "true hrT2"' in (tmp_path / "run/report/cases/source-002.html").read_text()
    assert '"name": "true' not in (tmp_path / "run/report/cases/test-001.html").read_text()

    without_reference = data | {"reference": None}
    alone = run(changed(experiment, data=without_reference), tmp_path / "alone", registry)
    assert alone.summary is not None
    assert alone.summary["translation"] == summary.summary["translation"]


def test_paired_scans_are_found_out_about_at_once(
    experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    data = experiment.data.model_dump() | {"paired": tmp_path}
    with pytest.raises(DataError, match=r"data\.paired: .* Expected names such as crossmoda2021_ldn_1_hrT2"):
        run(changed(experiment, data=data), tmp_path / "run", registry)
    assert not (tmp_path / "run").exists()


def test_what_is_done_is_not_done_again(experiment: Experiment, registry: Registry, tmp_path: Path) -> None:
    run(experiment, tmp_path, registry)
    started = events(tmp_path, "started")
    run(experiment, tmp_path, registry)
    assert events(tmp_path, "started") == started
    run(experiment, tmp_path, registry, fresh=True)
    assert events(tmp_path, "started") == started * 2


def test_a_changed_setting_runs_that_stage_and_what_follows_again(
    experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    run(experiment, tmp_path, registry)
    before = len(events(tmp_path, "started"))
    run(changed(experiment, translator={"plugin": "toy", "steps": 31}), tmp_path, registry)
    again = events(tmp_path, "started")[before:]
    assert again[0] == "train-translator"
    assert "prepare" not in again
    assert "train-segmenter:source-only" not in again
    assert {"translate", "train-segmenter:toy", "grade:toy", "evaluate", "report"} <= set(again)


def test_stages_can_be_run_up_to_one(experiment: Experiment, registry: Registry, tmp_path: Path) -> None:
    summary = run(experiment, tmp_path, registry, until="train-translator")
    assert list(summary.seconds) == ["prepare", "train-translator"]
    assert summary.summary is None


def test_a_killed_run_goes_on_to_the_same_bytes(
    experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    run(experiment, tmp_path / "whole", registry)
    script = tmp_path / "victim.py"
    script.write_text(
        textwrap.dedent("""
        import sys
        from pathlib import Path
        import cmda_toy
        from cmda_core.pipeline import run_experiment
        from cmda_core.progress import Silent
        from cmda_core.registry import Registry
        from cmda_core.schema import Experiment
        import cmda_core.training.loop as loop, os, signal
        save = loop.save_state
        def save_then_die(path, state):
            save(path, state)
            if state["done"] == 20:
                os.kill(os.getpid(), signal.SIGKILL)
        loop.save_state = save_then_die
        registry = Registry()
        registry.add(cmda_toy, "toy")
        experiment = Experiment.model_validate_json(Path(sys.argv[1]).read_text())
        run_experiment(experiment, Path(sys.argv[2]), registry=registry, progress=Silent())
        """)
    )
    (tmp_path / "experiment.json").write_text(experiment.model_dump_json())
    victim = subprocess.run(  # noqa: S603
        [sys.executable, script, tmp_path / "experiment.json", tmp_path / "killed"],
        capture_output=True,
        check=False,
        env=ENVIRONMENT,
    )
    assert victim.returncode == -signal.SIGKILL, victim.stderr.decode()
    assert not (tmp_path / "killed" / "translator" / "model").exists()
    run(experiment, tmp_path / "killed", registry)
    assert results(tmp_path / "killed") == results(tmp_path / "whole")


def test_two_processes_cannot_work_in_one_run(
    experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    with FileLock(tmp_path / ".lock"), pytest.raises(RunError, match="another process"):
        run(experiment, tmp_path, registry)


def test_a_folder_with_other_things_in_it_is_refused(
    experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(RunError, match=r"thesis\.docx"):
        run(experiment, tmp_path, registry)
    assert (tmp_path / "thesis.docx").read_text() == "years of work"


def test_mistakes_are_found_before_a_folder_is_made(
    experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with pytest.raises(UnknownPluginError, match="Did you mean 'toy'"):
        run(changed(experiment, translator="toyy"), folder, registry)
    with pytest.raises(ConfigError, match="Did you mean 'steps'"):
        run(changed(experiment, translator={"plugin": "toy", "step": 3}), folder, registry)
    with pytest.raises(ConfigError, match="shared encoder"):
        run(changed(experiment, grader="picky"), folder, registry)
    with pytest.raises(DataError, match="nowhere"):
        run(changed(experiment, data={"root": tmp_path / "nowhere"}), folder, registry)
    assert not folder.exists()


def test_what_a_plugin_needs_is_looked_for_before_the_first_stage(
    experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    needy = changed(experiment, segmenter={"plugin": "toy", "needs": tmp_path / "weights"})
    with pytest.raises(ConfigError, match="needs: no such file"):
        run(needy, tmp_path / "run", registry)
    assert not (tmp_path / "run" / "prepared").exists()
    run(needy, tmp_path / "run", registry, until="translate")
    (tmp_path / "weights").touch()
    run(needy, tmp_path / "run", registry)
    (tmp_path / "weights").unlink()
    run(needy, tmp_path / "run", registry)  # nothing is left to train


def test_wrong_input_leaves_an_earlier_run_as_it_was(
    experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    run(experiment, tmp_path, registry)
    before = results(tmp_path)
    with pytest.raises(ConfigError):
        run(changed(experiment, translator={"plugin": "toy", "steps": 0}), tmp_path, registry)
    assert results(tmp_path) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(
    experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="locked"):
        run(experiment, tmp_path / "locked" / "run", registry)


def test_a_failed_stage_is_in_the_journal_with_its_reason(
    experiment: Experiment, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise DataError("no memory of this case")

    monkeypatch.setattr(cmda_toy.ToyTranslator, "translate", fail)
    with pytest.raises(DataError, match="no memory"):
        run(experiment, tmp_path, registry)
    failed = [line for line in Journal(tmp_path / "journal.jsonl").read() if line["event"] == "failed"]
    assert failed[0]["stage"] == "translate"
    assert failed[0]["reason"] == "no memory of this case"


def test_no_stage_before_the_evaluation_sees_held_out_truth(
    experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    run(experiment, tmp_path, registry, until="grade")
    for path in tmp_path.rglob("*.json"):
        if path.parent.name in {"affined", "unaffined", "translated"}:
            for case in json.loads(path.read_text()).get("cases", []):
                real = case.get("translated_from") or case["modality"]
                assert real == "ceT1" or not {"labels", "grade"} & case.keys(), path


def test_sigterm_stops_the_run_in_order(dataset: Path, experiment: Experiment, tmp_path: Path) -> None:
    patient = changed(experiment, translator={"plugin": "toy", "steps": 1_000_000})
    (tmp_path / "experiment.json").write_text(patient.model_dump_json())
    script = tmp_path / "patient.py"
    script.write_text(
        textwrap.dedent("""
        import sys
        from pathlib import Path
        import cmda_toy
        from cmda_core.pipeline import run_experiment
        from cmda_core.progress import Silent
        from cmda_core.registry import Registry
        from cmda_core.schema import Experiment
        registry = Registry()
        registry.add(cmda_toy, "toy")
        experiment = Experiment.model_validate_json(Path(sys.argv[1]).read_text())
        try:
            run_experiment(experiment, Path(sys.argv[2]), registry=registry, progress=Silent())
        except KeyboardInterrupt:
            sys.exit(130)
        """)
    )
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, script, tmp_path / "experiment.json", tmp_path / "run"], env=ENVIRONMENT
    )
    checkpoint = tmp_path / "run" / "translator" / "checkpoint.safetensors"
    try:
        for _ in range(600):
            if checkpoint.exists() or process.poll() is not None:
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 130
    finally:
        process.kill()
    assert events(tmp_path / "run", "failed") == ["train-translator"]
