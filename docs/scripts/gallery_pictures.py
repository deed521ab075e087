"""Draw the pictures of docs/gallery.md: ``python docs/scripts/gallery_pictures.py FOLDER RUN...``.

Each run gives a picture of its preprocessor, translator, segmenter and graders; of a plugin that is in
several runs, the first one does. Then run ``python docs/generate.py``, which lists what there is.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from cmda_core.datasets import read_dataset
from cmda_core.datasets.labels import read_task_labels
from cmda_core.evaluation.references import References
from cmda_core.reporting.colours import REFERENCE_COLOUR, colours_of
from cmda_core.reporting.entries import entries_of
from cmda_core.reporting.figures import (
    BACKGROUND,
    DOTS_PER_INCH,
    Outline,
    Panel,
    axial,
    largest_section,
    montage,
    window_of,
)
from cmda_core.reporting.finished import FinishedRun
from cmda_core.reporting.pictures import draw_translations
from cmda_core.reporting.segmentations import SegmentedScan, segmentation_montage
from cmda_core.reporting.viewer.images import PREPARED_WINDOW
from cmda_core.schema import Case
from cmda_core.volumes import read_labels, read_volume

WIDTH = 620
"""Pixels of a picture."""

LARGEST_KB = 60

GAP = 6


def main(folder: Path, runs: list[Path]) -> None:
    """Write a picture of every plugin of the runs as ``FOLDER/<kind>-<name>.jpg``."""
    folder.mkdir(parents=True, exist_ok=True)
    done: set[str] = set()
    for path in runs:
        run = FinishedRun.read(path)
        for name, pictures in drawn(run, done):
            if pictures:
                save(folder / f"{name}.jpg", pictures)
                done.add(name)
    sys.stdout.write("\n".join(sorted(done)) + "\n")


def drawn(run: FinishedRun, done: set[str]) -> Iterator[tuple[str, list[Image.Image]]]:
    """The pictures of a run, those that stand below each other as a list; those in ``done`` are left out."""
    chosen = run.experiment
    drawers = {
        f"preprocessor-{chosen.preprocessor.plugin}": preparation,
        f"translator-{chosen.translator.plugin}": translation,
        f"segmenter-{chosen.segmenter.plugin}": segmentation,
    }
    for name, drawer in drawers.items():
        if name not in done:
            yield name, drawer(run)
    for grader, rows in run.grades.groupby("entry"):
        if f"grader-{grader}" not in done:
            yield f"grader-{grader}", [grading(rows)]


def preparation(run: FinishedRun) -> list[Image.Image]:
    """A scan of each modality as it was acquired, and its crop."""
    dataset = read_dataset(run.experiment.data, run.experiment.task)
    rows = []
    for name, cohort in (("source", dataset.source), ("target", dataset.target)):
        prepared = run.cohort(f"prepared/affined/{name}.json")
        if prepared is None:
            return []
        case = prepared.cases[0]
        scan = next(one for one in cohort if one.id == case.id)
        panels = [panel(scan, "as acquired"), panel(case, "prepared", prepared=True)]
        rows.append(image_of(montage(panels)))
    return rows


def panel(case: Case, title: str, *, prepared: bool = False) -> Panel:
    """The slice with the largest structure, with its outline; the middle one where there are no labels."""
    stack = axial(read_volume(case.image, case.modality, case.id))
    labels = axial(read_labels(case.labels)).slices if case.labels else np.zeros(stack.slices.shape, np.uint8)
    index = largest_section(labels > 0)
    outline = Outline(labels[index] > 0, REFERENCE_COLOUR)
    window = PREPARED_WINDOW if prepared else window_of(stack.slices[index])
    spacing = stack.spacing[1], stack.spacing[2]
    return Panel(stack.slices[index], spacing, window, f"{case.modality}, {title}", (outline,))


def translation(run: FinishedRun) -> list[Image.Image]:
    """A scan of each modality, translated, beside a real one of another subject."""
    with tempfile.TemporaryDirectory() as temporary:
        gallery = draw_translations(run, entries_of(run), Path(temporary))
        firsts = [one.file for one in gallery.pictures if one.file.endswith("-1.png")]
        return [Image.open(Path(temporary) / file).convert("RGB") for file in firsts]


def segmentation(run: FinishedRun) -> list[Image.Image]:
    """The test scan whose Dice is the median, with the outlines of the run's own entry."""
    entry = run.experiment.translator.plugin
    scores = run.per_case[run.per_case["entry"] == entry].dropna(subset=["dice"])
    if scores.empty:
        return []
    means = scores.groupby("case")["dice"].mean().sort_values()
    name = str(means.index[len(means) // 2])
    dataset = read_dataset(run.experiment.data, run.experiment.task)
    case = dataset.test[name]
    found = read_labels(run.folder / "segmented" / entry / f"{name}_Label.nii.gz", name)
    truth = None
    if run.experiment.data.reference is not None:
        references = References.find(run.experiment.data.reference, dataset.values)
        truth = read_task_labels(references.labels[name], name, references.values)
    scan = SegmentedScan(read_volume(case.image, case.modality, name), {entry: found}, truth)
    return [image_of(segmentation_montage(scan, run.experiment.task.structures, colours_of([entry])))]


def grading(rows: pd.DataFrame) -> Image.Image:
    """The probability of every grade for every test case; a ring is the reference, a dot the prediction."""
    rows = rows.sort_values(["reference", "case"])
    shares = rows[["p1", "p2", "p3", "p4"]].to_numpy(float).T
    figure = Figure(figsize=(WIDTH / DOTS_PER_INCH, 1.9), dpi=DOTS_PER_INCH, facecolor=BACKGROUND)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.08, 0.12, 0.9, 0.8))
    axes.imshow(shares, cmap="gray", vmin=0, vmax=1, aspect="auto")
    across = np.arange(len(rows))
    axes.scatter(
        across, rows["reference"] - 1, s=150, facecolors="none", edgecolors=REFERENCE_COLOUR, linewidths=2
    )
    axes.scatter(across, rows["predicted"] - 1, s=24, color=next(iter(colours_of(["own"]).values())))
    axes.set_yticks(range(4), ["I", "II", "III", "IV"])
    axes.set_xticks([])
    axes.set_xlabel("test cases", color="#e8eaed", fontsize=8)
    axes.tick_params(colors="#e8eaed", length=0)
    return image_of(figure)


def image_of(figure: Figure) -> Image.Image:
    """A figure as a picture."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", facecolor=figure.get_facecolor())
    return Image.open(buffer).convert("RGB")


def save(path: Path, pictures: list[Image.Image]) -> None:
    """Stack pictures and write them, as well as the size allows."""
    rows = [
        one.resize((WIDTH, round(one.height * WIDTH / one.width)), Image.Resampling.LANCZOS)
        for one in pictures
    ]
    sheet = Image.new("RGB", (WIDTH, sum(row.height + GAP for row in rows) - GAP), BACKGROUND)
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height + GAP
    for quality in (85, 75, 65, 50):
        sheet.save(path, quality=quality, optimize=True)
        if path.stat().st_size < LARGEST_KB * 1000:
            return
    raise SystemExit(f"{path}: larger than {LARGEST_KB} kB.")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(argument) for argument in sys.argv[2:]])
