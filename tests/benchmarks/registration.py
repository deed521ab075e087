"""Measures the registration on phantom heads that are distorted by known affines.

A ceT1 scan is distorted and registered to the hrT2 scan of the same subject, whose grid, field of view
and contrast differ, so that the true alignment is known. The error is the mean distance over landmarks
around the inner ears and the brain (target registration error, TRE). Run it as

    python tests/benchmarks/registration.py --cases 50
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from joblib import Parallel, delayed
from scipy.spatial.transform import Rotation

from cmda_core.datasets.phantom.dataset import SOURCE_FOLDER, TEST_FOLDER, Plan, write_case
from cmda_core.datasets.phantom.presets import PRESETS
from cmda_core.volumes import Volume, read_volume
from cmda_core.volumes.geometry import Matrix, to_mm
from cmda_crossmoda.config import STAGES, RegistrationConfig
from cmda_crossmoda.registration import Registration, register
from cmda_crossmoda.retry import register_again
from cmda_crossmoda.trust import Agreement, concerns, is_doubtful

SUBJECTS = 5
LANDMARKS = np.array([[x, y, z] for x in (-45, 45) for y in (-40, 30) for z in (-20, 20)], float)
FAILURE_MM = 3.0
DEMO = Path(__file__).parents[2] / "cmda_core" / "presets" / "demo.yaml"
DENSE = [
    {"sampling": min(1.0, 2 * stage.sampling), "minimum_step": 1e-3 if stage.transform == "rigid" else 1e-4}
    for stage in STAGES
]
SETTINGS = {
    "default": RegistrationConfig(),
    "dense": RegistrationConfig(
        stages=tuple(stage.model_copy(update=dense) for stage, dense in zip(STAGES, DENSE, strict=True))
    ),
    "demo": RegistrationConfig.model_validate(
        yaml.safe_load(DEMO.read_text(encoding="utf-8"))["preprocessor"]["registration"]
    ),
}


@dataclass(frozen=True, slots=True)
class Trial:
    """One distortion: the error of the usual start, of the whole procedure, and what was said of it."""

    first_mm: float
    error_mm: float
    retried: bool
    flagged: bool
    seconds: float


def distortion(seed: int, largest_degrees: float) -> Matrix:
    """A turn up to an angle about any axis, a shift of up to 20 mm, and scales from 0.9 to 1.1."""
    random = np.random.default_rng(seed)
    axis, direction = random.normal(size=(2, 3))
    turn = np.deg2rad(random.uniform(0, largest_degrees)) * axis / np.linalg.norm(axis)
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(turn).as_matrix() @ np.diag(random.uniform(0.9, 1.1, 3))
    matrix[:3, 3] = random.uniform(0, 20) * direction / np.linalg.norm(direction)
    return matrix


def write_heads(folder: Path) -> None:
    """One subject per number, scanned in both modalities on grids of their own."""
    for number in range(SUBJECTS):
        centre = "etz" if number % 2 else "ldn"
        for split in ("source", "test"):
            write_case(folder, PRESETS["demo"], Plan(f"head{number}", split, centre, 1 + number % 4), seed=1)


def measure(
    folder: Path, cases: int, largest_degrees: float, config: RegistrationConfig, jobs: int = 1
) -> list[Trial]:
    """Register distorted heads; the first ones of an easy set tell what agreement is usual."""
    usual = [
        _registered(folder, seed, distortion(10_000 + seed, 5.0), config) for seed in range(2 * SUBJECTS)
    ]
    others = Agreement.of(usual)
    work = (delayed(_trial)(folder, seed, largest_degrees, config, others) for seed in range(cases))
    return list(Parallel(n_jobs=jobs)(work))


def _trial(
    folder: Path, seed: int, largest_degrees: float, config: RegistrationConfig, others: Agreement
) -> Trial:
    true = distortion(seed, largest_degrees)
    atlas, scan = _pair(folder, seed, true)
    start = time.perf_counter()
    first = found = register(atlas, scan, "mutual-information", config)
    if is_doubtful(first, others, config.trust):  # as in register_trusted, which does not tell of the first
        found = register_again(atlas, scan, "mutual-information", config, first)
    seconds = time.perf_counter() - start
    flagged = bool(concerns(found, others, config.trust))
    return Trial(_error(first, true), _error(found, true), found.retried, flagged, seconds)


def _registered(folder: Path, seed: int, true: Matrix, config: RegistrationConfig) -> Registration:
    atlas, scan = _pair(folder, seed, true)
    return register(atlas, scan, "mutual-information", config)


def _pair(folder: Path, seed: int, true: Matrix) -> tuple[Volume, Volume]:
    name = f"head{seed % SUBJECTS}"
    atlas = read_volume(folder / TEST_FOLDER / f"{name}_hrT2.nii.gz", "hrT2", name)
    scan = read_volume(folder / SOURCE_FOLDER / f"{name}_ceT1.nii.gz", "ceT1", name)
    return atlas, Volume(scan.voxels, true @ scan.affine, "ceT1", name)


def _error(found: Registration, true: Matrix) -> float:
    difference = to_mm(np.array(found.to_scan), LANDMARKS) - to_mm(true, LANDMARKS)
    return float(np.linalg.norm(difference, axis=1).mean())


def row(name: str, trials: Sequence[Trial]) -> str:
    """A line of the table in docs/benchmarks.md."""
    first = np.array([trial.first_mm for trial in trials])
    error = np.array([trial.error_mm for trial in trials])
    failed = error > FAILURE_MM
    silent = sum(trial.error_mm > FAILURE_MM and not trial.flagged for trial in trials)
    seconds = [np.median([t.seconds for t in trials if t.retried == again] or [np.nan]) for again in (0, 1)]
    cells = [
        name,
        f"{first.mean():.2f} / {first.max():.2f}",
        f"{np.count_nonzero(first > FAILURE_MM)}",
        f"{sum(trial.retried for trial in trials)}",
        f"{error.mean():.2f} / {error.max():.2f}",
        f"{np.count_nonzero(failed)} ({silent})",
        f"{sum(trial.flagged and trial.error_mm <= FAILURE_MM for trial in trials)}",
        f"{seconds[0]:.1f} / {seconds[1]:.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


HEADER = [
    "set",
    "TRE of the usual start, mean / largest mm",
    "> 3 mm",
    "tried again",
    "TRE, mean / largest mm",
    "> 3 mm (of these not flagged)",
    "flagged though right",
    "seconds, once / tried again",
]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=50, help="distortions per set")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--settings", choices=list(SETTINGS), nargs="+", default=list(SETTINGS))
    parser.add_argument("--degrees", type=float, nargs="+", default=[10, 30, 60], help="largest turn per set")
    arguments = parser.parse_args()
    print("| " + " | ".join(HEADER) + " |\n|" + " --- |" * len(HEADER))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_heads(folder)
        for settings in arguments.settings:
            for degrees in arguments.degrees:
                trials = measure(folder, arguments.cases, degrees, SETTINGS[settings], arguments.jobs)
                print(row(f"{settings}, turned up to {degrees:.0f}°", trials), flush=True)


if __name__ == "__main__":
    main()
