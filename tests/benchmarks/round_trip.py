"""Measures what a label map loses on its way to the crop and back: prepare, then restore.

Labels of full-size phantom scans are prepared with the paper's settings, restored onto the scans' own grids
and compared there with what they were. Run it as

    python tests/benchmarks/round_trip.py --cases 8
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cmda_core.datasets import read_dataset
from cmda_core.datasets.phantom.dataset import write_phantom
from cmda_core.evaluation.segmentation import dice
from cmda_core.protocols import Crop, CropName, PreparationData, Segmentation
from cmda_core.run import Run
from cmda_core.schema import Case, DataConfig, Task
from cmda_core.volumes import read_labels
from cmda_crossmoda.config import CrossmodaConfig
from cmda_crossmoda.preprocessor import CrossmodaPreprocessor

CROPS: tuple[CropName, ...] = ("affined", "unaffined")


@dataclass(frozen=True, slots=True)
class Trip:
    """One case: its voxels in mm, and the Dice of each structure after prepare and restore."""

    crop: CropName
    spacing: str
    dice: dict[str, float]


def measure(root: Path, config: CrossmodaConfig, task: Task) -> Iterator[Trip]:
    """Prepare and restore the labels of every source case of a dataset."""
    dataset = read_dataset(DataConfig(root=root), task)
    preprocessor = CrossmodaPreprocessor(config, task)
    preprocessor.fit(PreparationData(dataset.source, dataset.target), Run(root / "run"))
    for case in dataset.source:
        yield from _trips(preprocessor, case, task)


def _trips(preprocessor: CrossmodaPreprocessor, case: Case, task: Task) -> Iterator[Trip]:
    assert case.labels is not None
    true = read_labels(case.labels, case.id)
    crops = preprocessor.prepare(case).crops
    for name in CROPS:
        found = preprocessor.restore(_certain(crops[name], len(task.structures)), crops[name].pose)
        scores = {s: dice(found.voxels == n, true.voxels == n) for s, n in task.structures.items()}
        yield Trip(name, " × ".join(f"{edge:.2g}" for edge in true.spacing), scores)


def _certain(crop: Crop, structures: int) -> Segmentation:
    """The labels of a crop as a segmenter that is sure of them would give them."""
    assert crop.labels is not None
    classes = [crop.labels.voxels == n for n in range(1 + structures)]
    return Segmentation(crop.labels, np.stack(classes).astype(np.float32))


def rows(trips: Sequence[Trip], structures: Sequence[str]) -> Iterator[str]:
    """Lines of the table in docs/benchmarks.md: mean and lowest Dice per grid and crop."""
    titles = ["voxel of the scan, mm", "crop", "cases", *(f"{s} Dice, mean / lowest" for s in structures)]
    yield "| " + " | ".join(titles) + " |\n|" + " --- |" * len(titles)
    for spacing, crop in sorted({(trip.spacing, trip.crop) for trip in trips}):
        some = [trip for trip in trips if (trip.spacing, trip.crop) == (spacing, crop)]
        scores = [np.array([trip.dice[s] for trip in some]) for s in structures]
        cells = [spacing, crop, f"{len(some)}"]
        yield "| " + " | ".join([*cells, *(f"{s.mean():.3f} / {s.min():.3f}" for s in scores)]) + " |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=8, help="source cases of the full phantom")
    arguments = parser.parse_args()
    task = Task()
    with tempfile.TemporaryDirectory() as name:
        write_phantom(Path(name), preset="full", source=arguments.cases, target=2, test=0)
        trips = list(measure(Path(name), CrossmodaConfig(), task))
    print("\n".join(rows(trips, list(task.structures))))


if __name__ == "__main__":
    main()
