"""Measures how a random training sample comes from disk, against decoding the compressed volumes.

    python -m tests.benchmarks.feeding

A sample is three slices of a scan, of its labels and of its parcellation; the other way decodes the three
.nii.gz files and cuts the same slices out of them. Cold: the files are dropped from the page cache before
each sample; what the disk takes for as many bytes in one piece stands beside it.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch

from cmda_core.protocols import TranslationData
from cmda_core.run import Run
from cmda_core.schema import Case, Cohort, Runtime, Task
from cmda_core.training.adversarial import train_adversarial
from cmda_core.training.prefetch import Prefetched
from cmda_core.training.slices import SliceSampler
from cmda_core.volumes import write_volume
from cmda_core.volumes.nifti import INTENSITY_STEP
from cmda_msfnet.config import MsfNetConfig
from cmda_msfnet.method import MsfNetMethod
from cmda_msfnet.networks import MsfNet
from cmda_msfnet.proxies import ProxyLabels

from .arrays import CROP, SCAN, head, regions, structures
from .measuring import Table, arguments, finish, in_own_process, peak_mb
from .msfnet_cases import demo_settings

GOAL = 200
WINDOW = (256, 256)


def write_cases(folder: Path, shape: tuple[int, int, int], count: int) -> Cohort:
    """Prepared cases as they lie in a run, and the same compressed beside them."""
    cases = []
    for number in range(count):
        name = f"case{number}"
        parts = {
            "image": head(shape, number),
            "labels": structures(shape, number),
            "parcellation": regions(shape, number),
        }
        for kind, volume in parts.items():
            step = INTENSITY_STEP if kind == "image" else None
            for ending in (".nii", ".nii.gz"):
                write_volume(folder / f"{name}_{kind}{ending}", volume, step=step)
        paths = {kind: folder / f"{name}_{kind}.nii" for kind in parts}
        cases.append(Case(id=name, subject=name, modality="hrT2", **paths))
    return Cohort(name="full", cases=tuple(cases))


def decode(case: Case, draw: np.random.Generator) -> list[torch.Tensor]:
    """A sample by decoding whole volumes, as the authors' loader does."""
    place: tuple[slice, ...] = ()
    cuts = []
    for path in (case.image, case.labels, case.parcellation):
        stack = sitk.GetArrayFromImage(sitk.ReadImage(str(path) + ".gz"))
        if not place:
            place = _place(stack.shape, draw)
        wanted = np.float32 if path == case.image else np.int64
        cuts.append(torch.from_numpy(stack[place].astype(wanted)))
    return cuts


def _place(shape: tuple[int, ...], draw: np.random.Generator) -> tuple[slice, ...]:
    edges = (3, *WINDOW)
    starts = [int(draw.integers(max(limit - edge, 0) + 1)) for limit, edge in zip(shape, edges, strict=True)]
    return tuple(slice(start, start + edge) for start, edge in zip(starts, edges, strict=True))


def forget(cohort: Cohort) -> None:
    """Drop the files of a cohort from the page cache."""
    for case in cohort:
        for path in (case.image, case.labels, case.parcellation):
            for name in (path, Path(f"{path}.gz")):
                handle = os.open(name, os.O_RDONLY)
                os.fsync(handle)
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(handle)


def compare(folder: Path, shape: tuple[int, int, int], repeats: int) -> list[list[str]]:
    """Times of a sample, cold and warm."""
    cohort = write_cases(folder, shape, 2)
    draw = np.random.default_rng(0)
    size = (min(WINDOW[0], shape[1]), min(WINDOW[1], shape[0]))
    rows = []
    for state in ("cold", "warm"):
        ours, decoded, disk = [], [], []
        sampler = SliceSampler(cohort, seed=0, size=size)
        for turn in range(repeats):
            if state == "cold":
                # Pages that are mapped are not dropped: the maps of the last turn must go.
                sampler = SliceSampler(cohort, seed=0, size=size)
                forget(cohort)
                disk.append(_seconds(lambda t=turn: in_one_piece(cohort.cases[t % 2], shape)))
                forget(cohort)
            for step in range(1 if state == "cold" else 20):
                ours.append(_seconds(lambda t=turn, s=step, o=sampler: o.batch(20 * t + s, 1)))
            decoded.append(_seconds(lambda t=turn: decode(cohort.cases[t % 2], draw)))
        ratio = median(decoded) / median(ours)
        edges = "×".join(map(str, shape))
        rows.append(
            [
                f"{edges}, {state}",
                f"{1000 * median(decoded):.0f}",
                f"{1000 * median(ours):.2f}",
                f"{ratio:.0f}",
                f"{1000 * median(disk):.2f}" if disk else "",
            ]
        )
    return rows


def in_one_piece(case: Case, shape: tuple[int, int, int]) -> None:
    """Read as many bytes as a sample has from the image alone: what no layout of the volumes can undercut."""
    columns, rows, _ = shape
    voxel = 2 + 1 + 1  # bytes of intensity, label and region
    handle = os.open(case.image, os.O_RDONLY)
    os.pread(handle, 3 * min(rows, WINDOW[0]) * columns * voxel, 4096)
    os.close(handle)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def memory(folder: Path, counts: tuple[int, int]) -> list[list[str]]:
    """Peak memory of a process that draws from cohorts of few and of many cases."""
    write_cases(folder, (64, 64, 24), max(counts))
    peaks = {
        count: in_own_process("tests.benchmarks.feeding", "--draw-from", str(folder), "--cases", str(count))
        for count in counts
    }
    return [[str(count), f"{peak['peak_mb']:.0f}"] for count, peak in peaks.items()]


def draw_samples(folder: Path, count: int) -> None:
    """Draw 200 samples from so many cases and print the peak memory."""
    cases = []
    for number in range(count):
        name = f"case{number}"
        paths = {kind: folder / f"{name}_{kind}.nii" for kind in ("image", "labels", "parcellation")}
        cases.append(Case(id=name, subject=name, modality="hrT2", **paths))
    sampler = SliceSampler(Cohort(name="drawn", cases=tuple(cases)), seed=0)
    for step in range(200):
        sampler.batch(step, 1)
    print(f'{{"peak_mb": {peak_mb()}}}')  # read by the process that started this one


DEMO_SHAPE = (96, 64, 24)


def waiting(
    folder: Path,
    epochs: int,
    runtime: Runtime,
    *,
    shape: tuple[int, int, int] = DEMO_SHAPE,
    settings: Mapping[str, Any] | None = None,
) -> list[list[str]]:
    """Share of a training's time in which the step waits for its sample; the demo's by default."""
    cohort = write_cases(folder, shape, 4)
    settings = {
        **(demo_settings() if settings is None else settings),
        "epochs": epochs,
        "gif_classes": 209,
        "save_every": 10_000,
        "log_every": 100,
    }
    config = MsfNetConfig(**settings)
    labels = ProxyLabels(config, Task(), range(209))
    method = MsfNetMethod(config, MsfNet(config.channels, config.residual_blocks, labels.classes), labels)
    waited: list[float] = []
    sample = Prefetched.sample

    def timed(self: Prefetched[object], step: int) -> object:
        start = time.perf_counter()
        found = sample(self, step)
        waited.append(time.perf_counter() - start)
        return found

    Prefetched.sample = timed  # type: ignore[method-assign]
    try:
        run = Run(folder / "run", runtime)
        whole = _seconds(
            lambda: train_adversarial(method, TranslationData(cohort, cohort.images_alone()), config, run)
        )
    finally:
        Prefetched.sample = sample  # type: ignore[method-assign]
    return [[str(len(waited)), f"{whole / len(waited):.3f}", f"{100 * sum(waited) / whole:.2f} %"]]


def main() -> None:
    """Print the tables."""
    parser = arguments(__doc__)
    parser.add_argument("--draw-from", type=Path, help="only draw from the cases in this folder")
    parser.add_argument("--cases", type=int, default=8, help="cases for --draw-from")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.draw_from:
        draw_samples(options.draw_from, options.cases)
        return
    repeats = options.repeats or (2 if options.quick else 7)
    shapes = [(64, 48, 16)] if options.quick else [CROP, SCAN]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [
            row
            for number, shape in enumerate(shapes)
            for row in compare(_made(folder / str(number)), shape, repeats)
        ]
        flat = memory(_made(folder / "memory"), (2, 4) if options.quick else (8, 64))
        waits = waiting(_made(folder / "waiting"), 1 if options.quick else 10, Runtime(device="cpu"))
    finish(
        options,
        [
            Table(
                "A random sample with labels and parcellation",
                [
                    "volumes",
                    "decoding .nii.gz, ms",
                    "ours, ms",
                    f"times as fast (goal {GOAL})",
                    "the disk alone, ms",
                ],
                rows,
            ),
            Table("Memory of the sampler", ["cases", "peak of the process, MB"], flat),
            Table("Waiting for samples, demo size", ["steps", "step, s", "waiting (goal < 5 %)"], waits),
        ],
    )


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
