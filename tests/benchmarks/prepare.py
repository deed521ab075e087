"""Measures stage *prepare*: the registration against ANTs, the parts of a full-size case, and two workers.

    python tests/benchmarks/prepare.py ants --python ants-venv/bin/python --cases 10
    python tests/benchmarks/prepare.py case
    python tests/benchmarks/prepare.py workers --repeats 3 --backend dask

The first needs a Python with antspyx; it gets an environment of its own, because its pins are not those of
cmda. Seconds are of CPU, with one thread, unless they are called wall seconds.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import SimpleITK as sitk
from registration import LANDMARKS, distortion

from cmda_core.datasets import read_dataset
from cmda_core.datasets.phantom.dataset import (
    SOURCE_FOLDER,
    TEST_FOLDER,
    Plan,
    write_case,
    write_phantom,
)
from cmda_core.datasets.phantom.presets import PRESETS, PresetName
from cmda_core.pipeline.plan import Chosen
from cmda_core.pipeline.stages.prepare import TRAINING_CROPS, prepare_case
from cmda_core.protocols import PreparationData
from cmda_core.run import Run
from cmda_core.schema import Case, DataConfig, Task
from cmda_core.volumes import Volume, read_volume, write_volume
from cmda_core.volumes.geometry import Matrix, to_mm
from cmda_core.workers import Backend, Workers, opened_workers
from cmda_crossmoda.config import CrossmodaConfig, RegistrationConfig
from cmda_crossmoda.itk import FLIP, matrix_of
from cmda_crossmoda.plugin import OFFER
from cmda_crossmoda.registration import register

ANTS = """
import json, sys, time
import ants
fixed, moving = (ants.image_read(name) for name in sys.argv[1:3])
start = time.process_time()
found = ants.registration(fixed, moving, type_of_transform=sys.argv[4], outprefix=sys.argv[3])
print(json.dumps([time.process_time() - start, found["fwdtransforms"]]))
"""
PARTS = {
    "read the scan": "read_volume",
    "read labels and parcellation": "read_labels",
    "register": "register_trusted",
    "landmarks of the histogram": "of",
    "resample and match images": "resample_image",
    "resample labels": "resample_structures",
    "resample the parcellation": "resample_labels",
    "write": "write_volume",
}
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1",
    "PYTHONPATH": "",  # another Python must not find this one's packages
}


def against_ants(python: str, cases: int, preset: PresetName, kind: str, degrees: float) -> Iterator[str]:
    """Lines of a table: error and seconds of both, on the same distorted heads in turns."""
    errors: dict[str, list[float]] = {"cmda": [], "ANTs": []}
    seconds: dict[str, list[float]] = {"cmda": [], "ANTs": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(cases):
            head = f"head{number % 5}"
            for split in ("source", "test"):
                centre = "etz" if number % 2 else "ldn"
                write_case(folder, PRESETS[preset], Plan(head, split, centre, 1 + number % 4), seed=1)
            true = without_shear(distortion(number, degrees))
            atlas = read_volume(folder / TEST_FOLDER / f"{head}_hrT2.nii.gz", "hrT2", head)
            scan = read_volume(folder / SOURCE_FOLDER / f"{head}_ceT1.nii.gz", "ceT1", head)
            scan = Volume(scan.voxels, true @ scan.affine, "ceT1", head)
            for tool, find in (("cmda", _ours), ("ANTs", lambda a, s: _ants(python, kind, folder, a, s))):
                matrix, took = find(atlas, scan)
                difference = to_mm(matrix, LANDMARKS) - to_mm(true, LANDMARKS)
                errors[tool].append(float(np.linalg.norm(difference, axis=1).mean()))
                seconds[tool].append(took)
    yield "| tool | TRE, median / largest mm | > 3 mm | CPU seconds, median |\n| --- | --- | --- | --- |"
    for tool, found in errors.items():
        error = np.array(found)
        cells = f"{np.median(error):.2f} / {error.max():.2f} | {(error > 3).sum()}"
        yield f"| {tool} | {cells} | {np.median(seconds[tool]):.2f} |"
    ratios = np.array(seconds["ANTs"]) / np.array(seconds["cmda"])
    yield f"\nANTs' time over ours: median {np.median(ratios):.1f} ({ratios.min():.1f} to {ratios.max():.1f})"


def without_shear(matrix: Matrix) -> Matrix:
    """The same turn and shift with one scale for all axes: ITK reads no file with sheared axes."""
    left, scales, right = np.linalg.svd(matrix[:3, :3])
    result = matrix.copy()
    result[:3, :3] = np.cbrt(scales.prod()) * left @ right
    return result


def _ours(atlas: Volume, scan: Volume) -> tuple[Matrix, float]:
    start = time.process_time()
    found = register(atlas, scan, "mutual-information", RegistrationConfig())
    return np.array(found.to_scan), time.process_time() - start


def _ants(python: str, kind: str, folder: Path, atlas: Volume, scan: Volume) -> tuple[Matrix, float]:
    fixed, moving = folder / "fixed.nii", folder / "moving.nii"
    write_volume(fixed, atlas)
    write_volume(moving, scan)
    words = [python, "-c", ANTS, str(fixed), str(moving), str(folder / "found-"), kind]
    done = subprocess.run(
        words, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, **ONE_THREAD}
    )
    seconds, transforms = json.loads(done.stdout.strip().splitlines()[-1])
    return FLIP @ matrix_of(sitk.ReadTransform(transforms[0])) @ FLIP, float(seconds)


def parts_of_a_case(out: Path) -> Iterator[str]:
    """Lines of a table: CPU seconds of every part of preparing one full-size scan, of each modality."""
    root, model, data = _fitted(out, "full")
    yield "| part | " + " | ".join(f"{name} s" for name in data) + " |\n|" + " --- |" * (1 + len(data))
    found = {}
    for name, case in data.items():
        profile = cProfile.Profile(time.process_time)
        profile.runcall(prepare_case, OFFER, model, root / f"case-{name}", case, TRAINING_CROPS)
        found[name] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    for part, function in PARTS.items():
        yield (
            f"| {part} | " + " | ".join(f"{_cumulative(one, function):.2f}" for one in found.values()) + " |"
        )
    totals = (f"{_cumulative(one, 'prepare_case'):.2f}" for one in found.values())
    yield "| all | " + " | ".join(totals) + " |"


def _cumulative(stats: dict[tuple[str, int, str], tuple[int, int, float, float, object]], name: str) -> float:
    return sum(row[3] for (file, _, function), row in stats.items() if function == name and "cmda" in file)


def _fitted(out: Path, preset: PresetName) -> tuple[Path, Path, dict[str, Case]]:
    """A phantom, a preprocessor that knows none of the two cases that are given back, and these."""
    root = out / preset
    if not (root / "made").exists():
        write_phantom(root, preset=preset, source=2, target=2, test=0, seed=0)
        (root / "made").touch()
    task = Task()
    dataset = read_dataset(DataConfig(root=root), task)
    (_, source), (_, target) = dataset.source.cases, dataset.target.cases
    first = [cohort.model_copy(update={"cases": cohort.cases[:1]}) for cohort in dataset.cohorts[:2]]
    chosen = Chosen("preprocessor", OFFER, CrossmodaConfig())
    work = Path(tempfile.mkdtemp(dir=out))
    chosen.save(chosen.fitted(task, PreparationData(first[0], first[1]), Run(work)), work)
    return work, work / "model", {"ceT1": source, "hrT2": target}


def workers(out: Path, preset: PresetName, repeats: int, cases: int, backend: Backend) -> Iterator[str]:
    """The same cases in this process and with two workers, in turns: wall seconds, and CPU seconds per case.

    On a machine with other work the wall tells nothing; what CPU a case takes tells whether workers are in
    each other's way, and so the most that two free cores can gain.
    """
    root, model, data = _fitted(out, preset)
    case = data["hrT2"]

    def prepared(who: Workers, repeat: int) -> tuple[float, float]:
        folder = root / f"{who.jobs}-{repeat}"
        arguments = [(model, folder / str(number), case) for number in range(cases)]
        start = time.perf_counter()
        names = [str(number) for number in range(cases)]
        run = Run(folder, workers=who)
        seconds = list(run.each(_prepared, arguments, names=names, what="prepare"))
        return time.perf_counter() - start, float(np.mean(seconds))

    with opened_workers(backend, jobs=2) as two:
        list(two.each(os.getpid, [()] * 4))  # workers that have started
        times = np.array([[prepared(who, repeat) for who in (Workers(), two)] for repeat in range(repeats)])
    for name, column in (("wall s of all", 0), ("CPU s per case", 1)):
        alone, shared = times[:, 0, column], times[:, 1, column]
        ratios = alone / shared * (1 if column == 0 else 2)
        yield f"{name}: one worker {np.median(alone):.2f}, two {np.median(shared):.2f} (medians of {repeats})"
        yield f"  speed-up{' that this allows' * column}: {np.median(ratios):.2f}"


def _prepared(model: Path, folder: Path, case: Case) -> float:
    start = time.process_time()
    prepare_case(OFFER, model, folder, case, TRAINING_CROPS)
    return time.process_time() - start


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["ants", "case", "workers"])
    parser.add_argument("--python", default="python", help="a Python with antspyx")
    parser.add_argument("--kind", default="Affine", help="ANTs' type_of_transform")
    parser.add_argument("--cases", type=int, default=10)
    parser.add_argument("--degrees", type=float, default=10.0, help="largest turn of a distortion")
    parser.add_argument("--preset", choices=list(PRESETS), default="demo")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--backend", choices=get_args(Backend), default="loky", help="of the two workers")
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "cmda-bench-prepare")
    asked = parser.parse_args()
    lines: dict[str, Callable[[], Iterator[str]]] = {
        "ants": lambda: against_ants(asked.python, asked.cases, asked.preset, asked.kind, asked.degrees),
        "case": lambda: parts_of_a_case(asked.out),
        "workers": lambda: workers(asked.out, asked.preset, asked.repeats, asked.cases, asked.backend),
    }
    for line in lines[asked.what]():
        print(line, flush=True)


if __name__ == "__main__":
    main()
