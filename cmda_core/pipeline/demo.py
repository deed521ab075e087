"""The demo: a phantom cohort, then the whole method on it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from cmda_core.datasets.phantom import write_phantom
from cmda_core.files import real_path, remove_leftovers, write_json
from cmda_core.pipeline.experiments import load_experiment
from cmda_core.pipeline.folder import RunFolder
from cmda_core.pipeline.plan import make_plan
from cmda_core.pipeline.runner import RunSummary, run_experiment
from cmda_core.progress import Progress
from cmda_core.registry import Registry

DATA = "data"
RUN = "run"
_MARK = "phantom.json"


def run_demo(
    folder: Path,
    *,
    seed: int,
    overrides: Sequence[str],
    registry: Registry,
    progress: Progress,
    fresh: bool = False,
) -> RunSummary:
    """Make a phantom cohort in ``folder/data`` and run the ``demo`` preset in ``folder/run``.

    Interrupted and called again, it goes on.

    Args:
        folder: Made if it is missing.
        seed: Of the phantom and of all training.
        overrides: ``a.b=c`` changes to the preset.
        registry: The plugins to choose from.
        progress: Where to show how far the work has come.
        fresh: Run all stages again.

    Raises:
        CmdaError: If a setting or the folder cannot be used.
    """
    data = real_path(folder / DATA)
    settings = [
        f"runtime.seed={seed}",
        *overrides,
        f"data.root={json.dumps(str(data), ensure_ascii=False)}",
        f"data.reference={json.dumps(str(data / 'crossmoda2022_reference'), ensure_ascii=False)}",
    ]
    experiment = load_experiment("demo", overrides=settings)
    make_plan(experiment, registry)
    run = RunFolder(folder / RUN)
    run.create()
    with run.locked():
        _make_phantom(data, seed, experiment.runtime.jobs, progress)
    return run_experiment(experiment, folder / RUN, registry=registry, progress=progress, fresh=fresh)


def _make_phantom(data: Path, seed: int, jobs: int, progress: Progress) -> None:
    mark = {"preset": "demo", "seed": seed}
    if not _is_there(data / _MARK, mark):
        progress.note("phantom")
        remove_leftovers(data)
        write_phantom(data, preset="demo", seed=seed, jobs=jobs, progress=progress)
        write_json(data / _MARK, mark)


def _is_there(path: Path, mark: dict[str, object]) -> bool:
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")) == mark)
    except (OSError, ValueError):
        return False
