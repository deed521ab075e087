"""Writes the report of a run: one page that opens from the disk, without a server or a network."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cmda_core.evaluation.segmentation import METRICS
from cmda_core.files import write_text
from cmda_core.reporting import views
from cmda_core.reporting.curves import HEIGHT, WIDTH, read_trainings
from cmda_core.reporting.finished import FinishedRun
from cmda_core.reporting.selftraining import round_views


def write_report(run: Path) -> Path:
    """Write the report of a run, finished or not.

    Every number comes from the run's own tables. What is not there yet, or can no longer be read,
    is said in one sentence. The same run folder gives the same bytes.

    Args:
        run: The run folder.

    Returns:
        ``report/index.html`` in it; the pictures are in ``report/pictures``.

    Raises:
        RunError: If the folder is no run.
        DataError: If one of the run's tables is damaged.
        OutputError: If a file cannot be written.
    """
    # matplotlib takes a second to import, which commands that draw nothing need not wait for.
    from cmda_core.reporting.figures import REFERENCE_COLOUR
    from cmda_core.reporting.pictures import colours_of, draw_segmentations, draw_translations

    finished = FinishedRun.read(run)
    folder = run / "report"
    segmentations = draw_segmentations(finished, folder)
    translations = draw_translations(finished, folder)
    text = (
        _environment()
        .get_template("report.html.j2")
        .render(
            **_facts(finished),
            colours=colours_of(finished.entries),
            reference_colour=REFERENCE_COLOUR,
            segmentations=segmentations,
            translations=translations,
        )
    )
    index = folder / "index.html"
    write_text(index, text)
    shown = {picture.file for picture in (*segmentations.pictures, *translations.pictures)}
    for path in (folder / "pictures").glob("*.png"):
        if f"pictures/{path.name}" not in shown:
            path.unlink()
    return index


def _facts(run: FinishedRun) -> dict[str, Any]:
    return {
        "run": run,
        "experiment": run.experiment,
        "version": importlib.metadata.version("cmda"),
        "definitions": run.summary.get("definitions", {}),
        "metrics": METRICS,
        "headlines": views.headlines(run),
        "structures": views.structure_views(run),
        "graders": views.grader_views(run),
        "cross_validated": views.grader_views(run, "cross_validation"),
        "higher_is_better": views.HIGHER_IS_BETTER,
        "roman": views.ROMAN,
        "scores": run.per_case.to_dict("records"),
        "grades": run.grades.to_dict("records"),
        "preparation": views.preparation_view(run.prepared),
        "rounds": round_views(run),
        "trainings": read_trainings(run.folder),
        "drawing": (WIDTH, HEIGHT),
        "bars": views.bars(run.costs),
        "environment": views.flat(run.environment),
        "settings": (run.folder / "experiment.yaml").read_text(encoding="utf-8"),
    }


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("cmda_core.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(decimals=views.decimals, duration=views.duration)
    return environment
