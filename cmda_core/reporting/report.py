"""Writes the report of a run: pages that open from the disk, without a server or a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cmda_core.evaluation.segmentation import METRICS
from cmda_core.evaluation.translation import TRANSLATION_METRICS
from cmda_core.files import write_text
from cmda_core.reporting import views
from cmda_core.reporting.colours import REFERENCE_COLOUR
from cmda_core.reporting.costs import bars
from cmda_core.reporting.curves import read_trainings
from cmda_core.reporting.entries import entries_of
from cmda_core.reporting.finished import FinishedRun
from cmda_core.reporting.grading import grader_views
from cmda_core.reporting.pages import environment, write_assets
from cmda_core.reporting.plots import structure_plots
from cmda_core.reporting.selftraining import round_views


def write_report(run: Path) -> Path:
    """Write the report of a run, finished or not.

    Every number comes from the run's own tables. What is not there yet, or can no longer be read,
    is said in one sentence. The same run folder gives the same bytes.

    Args:
        run: The run folder.

    Returns:
        ``report/index.html`` in it; the pages of single cases are in ``report/cases``.

    Raises:
        RunError: If the folder is no run.
        DataError: If one of the run's tables is damaged.
        OutputError: If a file cannot be written.
    """
    finished = FinishedRun.read(run)
    entries = entries_of(finished)
    folder = run / "report"
    # matplotlib takes a second to import, which commands that draw nothing need not wait for.
    from cmda_core.reporting.shown import show_cases

    title = finished.experiment.name
    shown = show_cases(finished, entries, finished.per_case, finished.grades, folder, title)
    text = (
        environment()
        .get_template("report.html.j2")
        .render(
            **_facts(finished),
            colours={entry.name: entry.colour for entry in entries},
            reference_colour=REFERENCE_COLOUR,
            segmentations=shown.segmentations,
            translations=shown.translations,
            pages=shown.pages,
            hrefs=shown.hrefs,
            page_notes=shown.notes,
        )
    )
    write_assets(folder)
    write_text(folder / "index.html", text)
    return folder / "index.html"


def _facts(run: FinishedRun) -> dict[str, Any]:
    return {
        "run": run,
        "experiment": run.experiment,
        "definitions": run.summary.get("definitions", {}),
        "metrics": METRICS,
        "translation_metrics": TRANSLATION_METRICS,
        "headlines": views.headlines(run),
        "structures": views.structure_views(run),
        "plots": structure_plots(run.per_case),
        "graders": grader_views(run.summary.get("grading", {})),
        "cross_validated": grader_views(run.summary.get("cross_validation", {})),
        "scores": run.per_case.to_dict("records"),
        "grades": run.grades.to_dict("records"),
        "preparation": views.preparation_view(run.prepared),
        "rounds": round_views(run),
        "trainings": read_trainings(run.folder),
        "bars": bars(run.costs),
        "environment": views.flat(run.environment),
        "settings": (run.folder / "experiment.yaml").read_text(encoding="utf-8"),
    }
