"""Measures Dice, ASSD and HD95 of full-size cases against MedPy, and whether the numbers are the same.

    python -m tests.benchmarks.metrics

MedPy gets what it asks for: a binary mask for each structure on the whole grid of the scan, and a call for
each metric. Its version 0.4.0, which the challenge used, averages the two directed distances; 0.5.2 pools
them. Both definitions are computed from the functions of the installed version.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from medpy.metric import binary

from cmda_core.evaluation.evaluate import evaluate_folders
from cmda_core.evaluation.segmentation import StructureScore, score_case
from cmda_core.schema import Task
from cmda_core.volumes import LabelVolume, write_volume

from .arrays import SCAN, STRUCTURES, structures
from .measuring import CLOCKS, Clock, Table, arguments, finish, interleaved, medians

GOAL = 50
CASES = {"tumour of 30 mm and cochleae": ("vs", "cochlea"), "cochleae alone": ("cochlea",)}


def by_medpy(drawn: LabelVolume, truth: LabelVolume, names: tuple[str, ...]) -> dict[str, list[float]]:
    """Dice, ASSD pooled and HD95 of each structure, in three calls."""
    found = {}
    for name in names:
        masks = drawn.voxels == STRUCTURES[name], truth.voxels == STRUCTURES[name]
        found[name] = [
            binary.dc(*masks),
            binary.assd(*masks, truth.spacing),
            binary.hd95(*masks, truth.spacing),
        ]
    return found


def by_us(
    drawn: LabelVolume, truth: LabelVolume, names: tuple[str, ...], definition: str
) -> list[StructureScore]:
    """The scores of the structures."""
    return score_case(drawn, truth, {name: STRUCTURES[name] for name in names}, truth.case, definition)


def pair(
    shape: tuple[int, int, int], names: tuple[str, ...], seed: int = 0
) -> tuple[LabelVolume, LabelVolume]:
    """A prediction that is 1 mm off, and the reference, with the structures of these names alone."""
    volumes = structures(shape, seed, shift=0.6), structures(shape, seed)
    kept = [STRUCTURES[name] for name in names]
    one, two = (v.voxels * np.isin(v.voxels, kept).astype(np.uint8) for v in volumes)
    return LabelVolume(one, volumes[0].affine, volumes[0].case), LabelVolume(
        two, volumes[1].affine, volumes[1].case
    )


def largest_gap(drawn: LabelVolume, truth: LabelVolume, names: tuple[str, ...]) -> float:
    """Largest difference to MedPy's numbers, of both definitions of the ASSD."""
    medpy = by_medpy(drawn, truth, names)
    gaps = []
    for pooled, challenge in zip(
        by_us(drawn, truth, names, "pooled"), by_us(drawn, truth, names, "challenge"), strict=True
    ):
        masks = [volume.voxels == STRUCTURES[pooled.structure] for volume in (drawn, truth)]
        there, back = binary.asd(*masks, truth.spacing), binary.asd(*masks[::-1], truth.spacing)
        theirs = [*medpy[pooled.structure], (there + back) / 2]
        ours = [pooled.dice, pooled.assd_mm, pooled.hd95_mm, challenge.assd_mm]
        gaps.append(np.abs(np.subtract(theirs, ours)).max())
    return float(max(gaps))


def compare(shape: tuple[int, int, int], repeats: int, clock: Clock) -> Table:
    """Times and differences."""
    rows = []
    for name, wanted in CASES.items():
        drawn, truth = pair(shape, wanted)
        gap = largest_gap(drawn, truth, wanted)
        middle = medians(
            interleaved(
                {
                    "MedPy": lambda d=drawn, t=truth, w=wanted: by_medpy(d, t, w),
                    "ours": lambda d=drawn, t=truth, w=wanted: by_us(d, t, w, "challenge"),
                },
                repeats,
                warm=False,
                clock=clock,
            )
        )
        times = middle["MedPy"] / middle["ours"]
        rows.append([name, f"{middle['MedPy']:.2f}", f"{middle['ours']:.3f}", f"{times:.0f}", f"{gap:.0e}"])
    edges = "×".join(map(str, shape))
    header = [f"case, {edges}", "MedPy, s", "ours, s", f"times as fast (goal {GOAL})", "largest difference"]
    return Table("Dice, ASSD and HD95 of a case", header, rows)


def cohort(shape: tuple[int, int, int], cases: int, repeats: int) -> Table:
    """Times of a whole folder with one and with two processes."""
    with tempfile.TemporaryDirectory() as name:
        predicted, reference = Path(name) / "predicted", Path(name) / "reference"
        for seed in range(cases):
            for folder, shift in ((predicted, 0.6), (reference, 0.0)):
                folder.mkdir(exist_ok=True)
                write_volume(folder / f"case{seed}_Label.nii.gz", structures(shape, seed, shift=shift))
        works = {
            str(jobs): lambda j=jobs: evaluate_folders(predicted, reference, Task(), jobs=j)
            for jobs in (1, 2)
        }
        middle = medians(interleaved(works, repeats))
    rows = [[jobs, f"{seconds:.2f}", f"{middle['1'] / seconds:.2f}"] for jobs, seconds in middle.items()]
    return Table(f"Evaluating {cases} cases from .nii.gz", ["processes", "s", "times as fast"], rows)


def measure(options: argparse.Namespace) -> list[Table]:
    """All tables."""
    repeats = options.repeats or (1 if options.quick else 3)
    shape = (64, 64, 32) if options.quick else SCAN
    return [
        compare(shape, repeats, CLOCKS[options.clock]),
        cohort(shape, 2 if options.quick else 12, repeats),
    ]


def main() -> None:
    """Print the tables."""
    options = arguments(__doc__).parse_args()
    finish(options, measure(options))


if __name__ == "__main__":
    main()
