"""Draw the pictures of docs/phantom.md: ``python docs/scripts/phantom_pictures.py FOLDER``."""

from __future__ import annotations

import sys
import tempfile
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from cmda_core.datasets.phantom.dataset import (
    REFERENCE_FOLDER,
    SOURCE_FOLDER,
    TARGET_FOLDER,
    Plan,
    write_case,
)
from cmda_core.datasets.phantom.presets import PRESETS
from cmda_core.datasets.split import Split
from cmda_core.volumes import read_labels, read_volume

ROWS: tuple[tuple[str, Split, Path, Path], ...] = (
    ("ceT1", "source", SOURCE_FOLDER, SOURCE_FOLDER),
    ("hrT2", "target", TARGET_FOLDER, REFERENCE_FOLDER),
)


def main(folder: Path) -> None:
    """Write one picture with a subject of every Koos grade in both contrasts."""
    figure, axes = plt.subplots(2, 4, figsize=(10, 5.1), layout="constrained")
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary)
        for row, (modality, split, scans, truths) in enumerate(ROWS):
            for grade, axis in enumerate(axes[row], start=1):
                plan = Plan(f"grade_{grade}", split, "ldn", grade)
                write_case(out, PRESETS["demo"], plan, 0)
                scan = read_volume(out / scans / f"{plan.case}_{modality}.nii.gz", modality)
                labels = read_labels(out / truths / f"{plan.case}_Label.nii.gz").voxels
                level = int(np.median(np.argwhere(labels == 1)[:, 2]))
                brightest = float(np.percentile(scan.voxels, 99.5))
                axis.imshow(scan.voxels[:, :, level].T, cmap="gray", vmin=0, vmax=brightest)
                axis.contour(labels[:, :, level].T == 1, [0.5], colors="tab:red", linewidths=0.6)
                axis.set_title(f"{modality}, Koos {grade}", fontsize=8)
                axis.axis("off")
    folder.mkdir(parents=True, exist_ok=True)
    buffer = BytesIO()
    figure.savefig(buffer, dpi=90)
    Image.open(buffer).quantize(64, dither=Image.Dither.NONE).save(
        folder / "phantom-grades.png", optimize=True
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
