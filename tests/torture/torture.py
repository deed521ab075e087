"""Kills an experiment at random moments until it is done, and compares it with one that was left alone.

A process imports everything once and forks a child per attempt, which runs ``cmda run``: the imports of
PyTorch and nnU-Net would otherwise take longer than all attempts. Every child leads a process group of its
own, and the whole group is killed. After each kill, and all the while from another process, every file
under its final name is opened. In the end all files are compared byte by byte (``whole_files.contents``
says which ones).

    python tests/torture/torture.py --kills 200
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tiny import TOYS, write_experiment, write_scans
from whole_files import Inspector, differences, watch

from cmda_core.pipeline.journal import Journal

KILLS_PER_RUN = 30
"""On average a run is left alone for such a share of what it takes undisturbed."""

SHORTEST_SECONDS = 0.02
MODULES = (
    "torch", "lightning.fabric", "nibabel", "SimpleITK", "scipy.ndimage", "sklearn.linear_model", "PIL.Image",
    "matplotlib.figure", "matplotlib.backends.backend_agg", "joblib", "jinja2", "pydantic", "torchio",
    "safetensors.torch", "pandas", "cmda_cli.app", "cmda_core.pipeline", "cmda_core.training.adversarial",
    "cmda_core.reporting.pictures", "cmda_crossmoda.storage", "cmda_crossmoda.fitting",
    "cmda_msfnet.translator", "cmda_koosnet.grader", "cmda_volumetrics.grader", "cmda_nnunet.segmenter",
)  # fmt: skip


@dataclass
class Tally:
    """What happened to one run that was killed."""

    kills: Counter[str] = field(default_factory=Counter)
    finished: bool = False
    problems: list[str] = field(default_factory=list)


def main() -> None:
    """Torture until so many kills are reached; exit 1 if anything differs."""
    options = _options()
    work = Path(options.work or tempfile.mkdtemp(prefix="cmda-torture-")).resolve()
    work.mkdir(parents=True, exist_ok=True)
    _import_everything(toys=options.toys)
    scans, experiment, run = work / "scans", work / "experiment.yaml", work / "run"
    _wait(_fork(lambda: write_scans(scans, toys=options.toys), work / "scans.log"))
    write_experiment(experiment, scans, toys=options.toys)

    def attempt() -> int:
        return _fork(lambda: _run(experiment, run, toys=options.toys), work / "run.log")

    start = time.monotonic()
    if _wait(attempt()) != 0:
        sys.exit(f"the undisturbed run failed:\n{(work / 'run.log').read_text()}")
    seconds = time.monotonic() - start
    whole = run.rename(work / "whole")
    _say(f"undisturbed: {seconds:.1f} s")
    draw = random.Random(options.seed)  # noqa: S311  # moments to kill at, not secrets
    kills, runs, problems = 0, 0, []
    while kills < options.kills:
        tally = _torture(attempt, run, seconds, draw, options.kills - kills)
        problems += tally.problems
        if tally.finished:
            problems += [f"differs: {name}" for name in differences(whole, run)]
        kills += tally.kills.total()
        runs += 1
        _say(f"run {runs}: {tally.kills.total()} kills {dict(tally.kills)}, {len(problems)} problems so far")
        if problems:
            break
        shutil.rmtree(run)
    print(json.dumps({"kills": kills, "runs": runs, "seconds": round(seconds, 1), "problems": problems}))  # noqa: T201
    if problems:
        sys.exit(f"see {work}")
    if not options.work:
        shutil.rmtree(work)


def _torture(attempt: Callable[[], int], run: Path, seconds: float, draw: random.Random, most: int) -> Tally:
    """Kill a run again and again until it is done, at most so many times."""
    tally, inspector = Tally(), Inspector(run)
    stop, report = run.with_name("stop"), run.with_name("watched.json")
    stop.unlink(missing_ok=True)
    watcher = _fork(lambda: watch(run, stop.exists, report), run.with_name("watch.log"))
    while not tally.finished:
        child = attempt()
        patience = SHORTEST_SECONDS + draw.expovariate(KILLS_PER_RUN / seconds)
        if tally.kills.total() >= most:
            patience = float("inf")
        code = _wait(child, patience)
        if code is None:
            tally.kills[_stage(run)] += 1
        elif code == 0:
            tally.finished = True
        else:
            tally.problems.append(f"exit {code}: {run.with_name('run.log').read_text()[-2000:]}")
            break
        tally.problems += inspector.broken()
    stop.touch()
    _wait(watcher)
    tally.problems += json.loads(report.read_text())["broken"]
    return tally


def _run(experiment: Path, folder: Path, *, toys: bool) -> None:
    from cmda_cli.main import main as cmda

    if toys:
        import cmda_toy

        from cmda_core.registry import Registry

        Registry.installed = cmda_toy.registry  # type: ignore[method-assign]
    sys.argv = ["cmda", "run", str(experiment), "--out", str(folder), "--debug"]
    cmda()


def _fork(work: Callable[[], object], log: Path) -> int:
    """Do work in a child that leads a process group of its own; its output goes to a file."""
    child = os.fork()
    if child:
        with suppress(OSError):  # whoever is first: it must not be killed before it has its own group
            os.setpgid(child, child)
        return child
    code = 1
    try:
        with suppress(OSError):
            os.setpgid(0, 0)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        work()
        code = 0
    except SystemExit as stopped:
        code = stopped.code if isinstance(stopped.code, int) else 0 if stopped.code is None else 1
    except BaseException:  # noqa: BLE001  # the child must not go on with what its parent does
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return 0


def _wait(child: int, patience: float = float("inf")) -> int | None:
    """Exit status of a child; after so many seconds its whole group is killed, and there is none."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _stage(run: Path) -> str:
    """What a run was doing when it was killed."""
    started = [one["stage"] for one in Journal(run / "journal.jsonl").read() if one["event"] == "started"]
    return started[-1] if started else "before the first stage"


def _import_everything(*, toys: bool) -> None:
    if toys:
        sys.path.insert(0, str(TOYS))
    for name in (*MODULES, "cmda_toy") if toys else MODULES:
        importlib.import_module(name)
    if toys:
        return
    from cmda_nnunet.surroundings import quiet_nnunet

    with quiet_nnunet(1):  # its import reads the environment
        importlib.import_module("cmda_nnunet.fitting")
        importlib.import_module("cmda_nnunet.predictor")


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)  # noqa: T201


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--toys", action="store_true", help="plugins that learn in milliseconds")
    parser.add_argument("--work", help="folder that is kept; a temporary one if left out")
    return parser.parse_args()


if __name__ == "__main__":
    main()
