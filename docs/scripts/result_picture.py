"""Draw the picture of the README from a run: ``python docs/scripts/result_picture.py RUN FOLDER``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from cmda_core.reporting.colours import REFERENCE_COLOUR, colours_of
from cmda_core.reporting.entries import entries_of
from cmda_core.reporting.figures import BACKGROUND
from cmda_core.reporting.finished import FinishedRun
from cmda_core.reporting.pictures import Picture
from cmda_core.reporting.report import write_report
from cmda_core.reporting.shown import show_cases

GAP, LINE, TEXT = 8, 30, 17


def main(run: Path, folder: Path) -> None:
    """Stack a translated case and a segmented one, with the scores of all entries below."""
    report = write_report(run).parent
    finished = FinishedRun.read(run)
    tables = finished.per_case, finished.grades
    shown = show_cases(finished, entries_of(finished), *tables, report, finished.experiment.name)
    translation = shown.translations.pictures[0]
    segmentation = _typical(list(shown.segmentations.pictures), finished.per_case)
    rows = [Image.open(report / picture.file).convert("RGB") for picture in (translation, segmentation)]
    width = max(row.width for row in rows)
    rows = [
        row.resize((width, round(row.height * width / row.width)), Image.Resampling.LANCZOS) for row in rows
    ]
    captions = _captions(finished)
    sheet = Image.new(
        "RGB", (width, sum(row.height + GAP for row in rows) + LINE * len(captions)), BACKGROUND
    )
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height + GAP
    pen = ImageDraw.Draw(sheet)
    for text, colour in captions:
        pen.text((GAP, top), text, fill=colour, font=ImageFont.load_default(TEXT))
        top += LINE
    folder.mkdir(parents=True, exist_ok=True)
    sheet.save(folder / "result.jpg", quality=85, optimize=True)  # a palette would tint the greys


def _typical(pictures: list[Picture], per_case: pd.DataFrame) -> Picture:
    """The picture of the case whose Dice is the median: neither the best nor the worst."""
    means = per_case.dropna(subset=["dice"]).groupby("case")["dice"].mean().sort_values()
    case = means.index[len(means) // 2]
    return next(picture for picture in pictures if picture.case == case)


def _captions(run: FinishedRun) -> list[tuple[str, str]]:
    summary = json.loads((run.folder / "evaluation" / "summary.json").read_text(encoding="utf-8"))
    colours = colours_of(run.entries)
    lines = [("outlines: reference", REFERENCE_COLOUR)]
    for entry, structures in summary["segmentation"].items():
        scores = ", ".join(
            f"{name} {scores['dice']['mean']:.2f} ({scores['assd_mm']['mean']:.1f} mm)"
            for name, scores in structures.items()
        )
        lines.append((f"{entry}: Dice (ASSD) {scores}", colours[entry]))
    return lines


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
