"""Measures how the cost of each stage grows: with scans, slices, resolution and channels.

    python tests/benchmarks/scaling.py seconds --out scaling    # the table of exponents
    python tests/benchmarks/scaling.py memory --out scaling     # 8 and 64 scans, peak memory per stage

Scans are small synthetic heads in a field of view of fixed size, all stages are real, the trainings are
short. Seconds are of CPU, one process and one thread; bytes are what a stage leaves on the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from cmda_core.datasets.manifest import COLUMNS
from cmda_core.pipeline import STAGES, run_experiment
from cmda_core.pipeline.journal import Journal
from cmda_core.progress import Silent
from cmda_core.registry import Registry
from cmda_core.schema import Experiment, Task
from cmda_core.testing.cohorts import radius_of
from cmda_core.testing.phantoms import phantom
from cmda_core.volumes import Volume, write_volume

FIELD_MM = (200.0, 200.0, 80.0)
FOLDERS = {
    "prepare": "prepared",
    "train-translator": "translator",
    "translate": "translated",
    "train-segmenter": "segmenter",
    "segment": "segmented",
    "train-grader": "grader",
    "grade": "graded",
    "evaluate": "evaluation",
    "report": "report",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """What is varied.

    Attributes:
        scans: Half of them source scans, half target scans for training; as many again, but at most eight,
            are to be predicted.
        slices: Of each scan.
        edge: Rows and columns of each slice.
        channels: Of the first layers of all networks.
    """

    scans: int = 16
    slices: int = 24
    edge: int = 96
    channels: int = 8

    @property
    def name(self) -> str:
        """For folders."""
        return f"{self.scans}-scans-{self.slices}-slices-{self.edge}-edge-{self.channels}-channels"


VARIED: dict[str, Sequence[int]] = {
    "scans": (16, 32, 64),
    "slices": (24, 48, 96),
    "edge": (96, 144, 192),
    "channels": (8, 16, 32),
}


def settings() -> list[Setting]:
    """All that are measured, each once."""
    base = Setting()
    return list(
        dict.fromkeys(replace(base, **{axis: value}) for axis, values in VARIED.items() for value in values)
    )


def write_scans(folder: Path, setting: Setting, task: Task) -> None:
    """Write a dataset with a manifest."""
    shape = (setting.edge, setting.edge, setting.slices)
    affine = np.diag([*(mm / n for mm, n in zip(FIELD_MM, shape, strict=True)), 1.0]) @ np.diag(
        [-1, -1, 1, 1]
    )
    half, tests = setting.scans // 2, min(setting.scans // 2, 8)
    lines = [",".join(COLUMNS)]
    for split, count in (("source", half), ("target", half), ("test", tests)):
        modality = task.source if split == "source" else task.target
        for number in range(count):
            grade = 1 + number % 4
            name = f"{split}{number}"
            image, labels = phantom(
                task, modality, seed=len(lines), grid=(shape, affine), radius=radius_of(grade)
            )
            scan = Volume((image.voxels + 1) * 500, affine, modality, name)
            write_volume(folder / f"{name}.nii.gz", scan)
            write_volume(folder / f"{name}_labels.nii.gz", labels)
            row = [name, name, split, modality, f"{name}.nii.gz", f"{name}_labels.nii.gz"]
            lines.append(",".join([*row, f"{name}_labels.nii.gz", str(grade), "here"]))
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")


def experiment(root: Path, setting: Setting) -> Experiment:
    """Every stage with its real plugin; networks and trainings are small."""
    offers = Registry.installed().offers()
    tiny = {kind: {"plugin": name, **offers[kind][name].tiny} for kind, name in PLUGINS.items()}
    crop = (setting.edge // 2, setting.edge // 2, setting.slices // 2)
    spacing = tuple(
        mm / n for mm, n in zip(FIELD_MM, (setting.edge, setting.edge, setting.slices), strict=True)
    )
    tiny["preprocessor"] |= {"spacing_mm": spacing, "shape": crop}
    tiny["translator"] |= {
        "epochs": 8,
        "channels": setting.channels,
        "discriminator_channels": setting.channels,
    }
    tiny["segmenter"] |= {"base_features": setting.channels, "max_features": 4 * setting.channels}
    tiny["grader"] |= {"channels": setting.channels}
    return Experiment.model_validate(
        {
            "name": setting.name,
            "data": {"root": root, "reference": root / "manifest.csv"},
            **tiny,
            "runtime": {"device": "cpu", "threads": 1},
        }
    )


PLUGINS = {
    "preprocessor": "crossmoda",
    "translator": "msf-net",
    "segmenter": "nnunet",
    "grader": "msf-koos-net",
}


def warmed(out: Path, setting: Setting) -> dict[str, object]:
    """The same after a run of the smallest setting, which imports all that stages import."""
    with tempfile.TemporaryDirectory() as name:
        measured(Path(name), Setting(scans=8))
    return measured(out, setting)


def measured(out: Path, setting: Setting) -> dict[str, object]:
    """Run all stages one after the other in this process, and see what each of them takes."""
    root, run = out / "data" / setting.name, out / "runs" / setting.name
    root.mkdir(parents=True, exist_ok=True)
    write_scans(root, setting, Task())
    asked, registry = experiment(root, setting), Registry.installed()
    stages: dict[str, dict[str, float]] = {}
    for stage in STAGES:
        if stage not in FOLDERS:
            continue
        start = time.process_time()
        run_experiment(asked, run, registry=registry, progress=Silent(), until=stage)
        folder = run / FOLDERS[stage]
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        stages[stage] = {"seconds": time.process_time() - start, "bytes": size}
    for line in Journal(run / "journal.jsonl").read():
        if line["event"] == "finished":
            stage = str(line["stage"]).partition(":")[0]
            stages[stage]["peak_mb"] = max(stages[stage].get("peak_mb", 0.0), line["peak_mb"])
    return {"setting": asdict(setting), "stages": stages}


def measure(out: Path, what: str, chosen: Sequence[Setting]) -> Iterator[str]:
    """Measure settings that are not there yet, each in a process of its own."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{what}.jsonl"
    known = [one["setting"] for one in read(path)]
    for setting in chosen:
        if asdict(setting) in known:
            continue
        words = [sys.executable, __file__, f"one-{what}", "--out", str(out / what)]
        words += ["--setting", json.dumps(asdict(setting))]
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ})
        with path.open("a") as stream:
            stream.write(done.stdout.strip().splitlines()[-1] + "\n")
        yield setting.name


def read(path: Path) -> list[dict[str, dict[str, dict[str, float]]]]:
    """What was measured before."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def fit(found: Sequence[dict[str, dict[str, dict[str, float]]]], quantity: str) -> Iterator[str]:
    """Lines of a table: the base setting's cost of each stage and its exponent along each axis."""
    base = asdict(Setting())
    yield f"| stage | {quantity} | " + " | ".join(VARIED) + " |\n|" + " --- |" * (2 + len(VARIED))
    for stage in FOLDERS:
        cells = []
        for axis, values in VARIED.items():
            wanted = [{**base, axis: value} for value in values]
            line = [
                next((one for one in found if one["setting"] == one_wanted), None) for one_wanted in wanted
            ]
            points = [(v, one["stages"][stage][quantity]) for v, one in zip(values, line, strict=True) if one]
            cells.append(_exponent(points))
        at_base = next(one["stages"][stage][quantity] for one in found if one["setting"] == base)
        yield f"| {stage} | {at_base:.3g} | " + " | ".join(cells) + " |"


def _exponent(points: Sequence[tuple[float, float]]) -> str:
    """Slope between the logarithms: of all points, and of the two largest, where constants matter least."""
    if len(points) < 2 or min(value for _, value in points) <= 0:
        return "–"
    x, y = np.log(np.array(points)).T
    return f"{np.polyfit(x, y, 1)[0]:.2f} ({(y[-1] - y[-2]) / (x[-1] - x[-2]):.2f})"


def memory(found: Sequence[dict[str, dict[str, dict[str, float]]]]) -> Iterator[str]:
    """Lines of a table: peak memory with 8 and 64 scans."""
    few, many = (
        next(one["stages"] for one in found if one["setting"] == asdict(Setting(scans=scans)))
        for scans in (8, 64)
    )
    yield "| stage | peak MiB, 8 scans | 64 scans | ratio |\n| --- | --- | --- | --- |"
    for stage in FOLDERS:
        small, large = (one[stage]["peak_mb"] for one in (few, many))
        yield f"| {stage} | {small:.0f} | {large:.0f} | {large / small:.2f} |"


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["seconds", "memory", "one-seconds", "one-memory"])
    parser.add_argument("--out", type=Path, required=True, help="what is measured there already is kept")
    parser.add_argument("--setting", type=json.loads, default={}, help="of one: JSON")
    asked = parser.parse_args()
    if asked.what.startswith("one-"):
        work = warmed if asked.what == "one-seconds" else measured
        print(json.dumps(work(asked.out, Setting(**asked.setting))))
        return
    chosen = [Setting(scans=8), Setting(scans=64)] if asked.what == "memory" else settings()
    for line in measure(asked.out, asked.what, chosen):
        print(line, file=sys.stderr, flush=True)
    found = read(asked.out / f"{asked.what}.jsonl")
    for table in [memory(found)] if asked.what == "memory" else [fit(found, "seconds"), fit(found, "bytes")]:
        print("\n".join(table) + "\n")


if __name__ == "__main__":
    main()
