"""Trainings of two processes on the CPU, against one process with twice the batch."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import cmda_pair
import cmda_toy
import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor

import cmda_cut.plugin
import cmda_cyclegan.plugin
import cmda_nicegan.plugin
from cmda_core.errors import BrokenPluginError, ConfigError, RunError
from cmda_core.pipeline import run_experiment
from cmda_core.pipeline.journal import Journal
from cmda_core.processes import team
from cmda_core.processes.place import Launch, Place
from cmda_core.progress import Silent
from cmda_core.registry import Registry
from cmda_core.schema import Experiment

ROOT = Path(__file__).parents[3]
PATHS = [ROOT, ROOT / "plugins", ROOT / "cli", ROOT / "tests" / "fixtures"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(map(str, PATHS))}
SETTINGS = {"plugin": "pair", "epochs": 8, "save_every": 4, "log_every": 3, "ema": 0.5}


class Notes(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, message: str) -> None:
        self.lines.append(message)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scans")
    cmda_toy.write_dataset(root)
    return root


def registry() -> Registry:
    found = Registry()
    found.add(cmda_toy, "toy")
    found.add(cmda_pair, "pair")
    for module in (cmda_cyclegan.plugin, cmda_cut.plugin, cmda_nicegan.plugin):
        found.add(module, module.__name__)
    return found


def experiment(scans: Path, devices: int = 1, **settings: Any) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "shared",
            "data": {"root": scans},
            "preprocessor": "toy",
            "translator": {**SETTINGS, **settings},
            "segmenter": "toy",
            "grader": "toy",
            "runtime": {"device": "cpu", "threads": 1, "devices": devices},
        }
    )


def train(
    one: Experiment, folder: Path, progress: Silent | None = None, until: Any = "train-translator"
) -> None:
    run_experiment(one, folder, registry=registry(), progress=progress or Silent(), until=until)


def weights(run: Path) -> dict[str, Tensor]:
    return load_file(run / "translator" / "model" / "weights.safetensors")


def log(run: Path) -> dict[tuple[int, str], float]:
    with (run / "translator" / "training.csv").open(newline="") as stream:
        return {(int(row["step"]), row["key"]): float(row["value"]) for row in csv.DictReader(stream)}


def difference(one: Path, two: Path) -> float:
    """The largest of all weights and logged losses."""
    first, second = weights(one), weights(two)
    assert first.keys() == second.keys()
    assert log(one).keys() == log(two).keys()
    return max(
        *(float((first[name] - second[name]).abs().max()) for name in first),
        *(abs(log(one)[key] - log(two)[key]) for key in log(one)),
    )


def same(one: Path, two: Path) -> bool:
    first, second = weights(one), weights(two)
    return log(one) == log(two) and all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def doubled(scans: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("doubled") / "run"
    train(experiment(scans, batch_size=2), run)
    return run


@pytest.fixture(scope="module")
def shared(scans: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("shared") / "run"
    train(experiment(scans, devices=2), run)
    return run


def test_two_processes_learn_what_one_learns_with_twice_the_batch(doubled: Path, shared: Path) -> None:
    assert len({step for step, _ in log(shared)}) == 4
    assert difference(doubled, shared) < 1e-5


@pytest.mark.parametrize(
    ("name", "settings"), [("cyclegan", {"pool_size": 0}), ("cut", {}), ("nice-gan", {})]
)
def test_so_do_translators_without_norms_over_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, settings: dict[str, Any]
) -> None:
    """In the first steps: their other norms and Adam make much of rounding after that."""
    monkeypatch.setattr(cmda_toy, "SHAPE", (32, 32, 6))
    cmda_toy.write_dataset(tmp_path / "scans")
    tiny = {**registry().translator(name).tiny, **settings, "plugin": name, "epochs": 2, "log_every": 1}
    logs = []
    for processes in (1, 2):
        run = tmp_path / str(processes)
        one = experiment(tmp_path / "scans", devices=processes, **tiny, batch_size=2 // processes)
        train(one, run)
        logs.append(log(run))
    one_process, two = logs
    assert one_process.keys() == two.keys()
    assert {step for step, _ in two} == {1, 2, 3}
    for key, loss in one_process.items():
        if key[0] <= 2:
            assert two[key] == pytest.approx(loss, abs=1e-3), key


def test_only_one_of_them_writes(doubled: Path, shared: Path) -> None:
    runs = [
        sorted(path.relative_to(run) for path in run.rglob("*") if path.is_file())
        for run in (doubled, shared)
    ]
    assert runs[0] == runs[1]


def test_a_killed_process_ends_the_training_which_goes_on_to_the_same_bits(
    scans: Path, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cmda_pair.FALL, "1:7:kill")
    with pytest.raises(RunError, match=r"process 2 of 2 ended with signal 9.*goes on"):
        train(experiment(scans, devices=2), tmp_path)
    monkeypatch.delenv(cmda_pair.FALL)
    notes = Notes()
    train(experiment(scans, devices=2), tmp_path, notes)
    assert "train-translator: 2 processes" in notes.lines
    assert same(tmp_path, shared)


def test_an_error_of_a_follower_is_told_by_the_leader(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(cmda_pair.FALL, "1:3:error")
    with pytest.raises(RunError, match=r"process 2 of 2: slices\.nii: the disk has gone"):
        train(experiment(scans, devices=2), tmp_path)
    assert "Traceback" not in capfd.readouterr().err
    failed = [line for line in Journal(tmp_path / "journal.jsonl").read() if line["event"] == "failed"]
    assert "the disk has gone" in failed[0]["reason"]


def test_a_follower_must_not_know_the_truth_either(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = tmp_path / "truth" / "crossmoda_1_Label.nii.gz"
    truth.parent.mkdir()
    truth.touch()
    monkeypatch.setenv(cmda_pair.FALL, "1:3:peek")
    monkeypatch.setenv(cmda_pair.TRUTH, str(truth))
    curious = experiment(scans, devices=2)
    data = curious.data.model_copy(update={"reference": truth.parent})
    with pytest.raises(RunError, match=r"process 2 of 2: .*'train-translator' tried to open it"):
        train(curious.model_copy(update={"data": data}), tmp_path / "run")


def test_trainings_that_cannot_be_shared_use_one_device(scans: Path, tmp_path: Path) -> None:
    alone = experiment(scans, devices=2).model_copy(
        update={"translator": experiment(scans).grader.model_copy(update={"plugin": "toy"})}
    )
    notes = Notes()
    train(alone, tmp_path, notes)
    assert any("train-translator: this plugin trains on one device" in line for line in notes.lines)


def test_more_gpus_than_there_are(scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    wanting = experiment(scans, devices=2)
    runtime = wanting.runtime.model_copy(update={"device": "cuda"})
    with pytest.raises(ConfigError, match="2 cuda devices are asked for, and this machine has 1"):
        train(wanting.model_copy(update={"runtime": runtime}), tmp_path / "run")
    assert not (tmp_path / "run" / "prepared").exists()


def test_devices_that_contradict_the_launcher(scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = team.Team(Launch(Place(0, 8, 0, 4), "127.0.0.1", 1), meeting=None)  # type: ignore[arg-type]
    monkeypatch.setattr(team, "_taken", lambda: found)
    assert team.company(experiment(scans).runtime) == 8
    assert team.company(experiment(scans, devices=4).runtime) == 8
    with pytest.raises(ConfigError, match="started 4 processes on each machine"):
        team.company(experiment(scans, devices=2).runtime)


@pytest.fixture
def command(scans: Path, tmp_path: Path) -> list[str]:
    """The command line of cmda with the plugins of these tests."""
    script = tmp_path / "cmda_of_tests.py"
    script.write_text(
        textwrap.dedent("""
        import cmda_pair, cmda_toy
        from cmda_cli.main import main
        from cmda_core.registry import Registry

        def installed():
            found = Registry()
            found.add(cmda_toy, "toy")
            found.add(cmda_pair, "pair")
            return found

        if __name__ == "__main__":
            Registry.installed = installed
            main()
        """)
    )
    path = tmp_path / "experiment.yaml"
    path.write_text(yaml.safe_dump(experiment(scans).model_dump(mode="json")))
    return [str(script), "train", "all", str(path), "--out", str(tmp_path / "run")]


def started(arguments: list[str], **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603
        [sys.executable, *arguments],
        env={**ENVIRONMENT, **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.slow
def test_the_command_line_starts_the_processes(command: list[str], shared: Path, tmp_path: Path) -> None:
    process = started([*command, "--devices", "2"])
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert out.count("train-translator") == 1
    assert same(tmp_path / "run", shared)


@pytest.mark.slow
def test_ctrl_c_ends_all_of_them(command: list[str], tmp_path: Path) -> None:
    process = started([*command, "--devices", "2", "--set", "translator.epochs=100000"])
    checkpoint = tmp_path / "run" / "translator" / "checkpoint.safetensors"
    while not checkpoint.exists() and process.poll() is None:
        pass
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "The same command goes on" in err
    assert "Traceback" not in err


TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


@pytest.mark.slow
def test_torchrun(command: list[str], shared: Path, tmp_path: Path) -> None:
    process = started([*TORCHRUN, *command])
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert out.count("train-translator") == 1
    assert same(tmp_path / "run", shared)
    assert (tmp_path / "run" / "grader" / "toy" / "model").is_dir()


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_failure_ends_torchrun_with_one_message(command: list[str], rank: int) -> None:
    process = started([*TORCHRUN, *command], **{cmda_pair.FALL: f"{rank}:3:error"})
    _, err = process.communicate(timeout=600)
    assert process.returncode == 1
    assert err.count("the disk has gone") == 1, err


@pytest.mark.slow
def test_srun(command: list[str], shared: Path, tmp_path: Path) -> None:
    step = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NUM_NODES": "1", "SLURM_STEP_NODELIST": "127.0.0.1"}
    job = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_STEP_ID": "0", "SLURM_NTASKS": "2"}
    tasks = [started(command, SLURM_PROCID=rank, SLURM_LOCALID=rank, **step, **job) for rank in ("0", "1")]
    results = [task.communicate(timeout=600) for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], results
    assert results[1][0] == ""
    assert same(tmp_path / "run", shared)


def test_an_error_of_the_leader_is_its_own(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(cmda_pair.FALL, "0:3:memory")
    with pytest.raises(BrokenPluginError, match=r"translator 'pair': fit\(\) raised .*out of memory"):
        train(experiment(scans, devices=2), tmp_path)
    assert "Traceback" not in capfd.readouterr().err
