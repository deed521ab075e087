"""``cmda evaluate`` and ``cmda report``: scores and pages of what was predicted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cmda_cli import options
from cmda_cli.output import print_json, print_lines, print_note, print_scores
from cmda_cli.session import session


def evaluate(
    predictions: Annotated[Path, typer.Argument(help="Folder with label maps, predictions.csv, or both.")],
    reference: Annotated[
        Path, typer.Argument(help="Folder with the true label maps and grades, or a CSV manifest.")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder for per_case.csv and summary.json.")] = None,
    experiment: Annotated[
        str, typer.Option(help="Experiment or preset whose task names the structures.")
    ] = "paper",
    layout: Annotated[
        options.Layout | None,
        typer.Option(
            help="Layout whose label values the reference has; the experiment's, or what the names tell."
        ),
    ] = None,
    assd: Annotated[
        Literal["challenge", "pooled"], typer.Option(help="Definition of the surface distance.")
    ] = "challenge",
    jobs: Annotated[int, typer.Option(min=-1, help="Processes; -1 takes one per core.")] = 1,
    as_json: options.JsonOption = False,
    verbose: options.VerboseOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Score predictions: Dice, ASSD and HD95 per case; MA-MAE and MAMSE of grades."""
    with session(verbose=verbose, debug=debug):
        from cmda_core.datasets.layouts import reference_values
        from cmda_core.evaluation.evaluate import evaluate_folders
        from cmda_core.pipeline import load_experiment

        chosen = load_experiment(experiment)
        data = chosen.data.model_copy(update={"layout": layout or chosen.data.layout})
        values = reference_values(data, chosen.task, reference)
        scores = evaluate_folders(
            predictions, reference, chosen.task, out=out, values=values, definition=assd, jobs=jobs
        )
    _print_gaps(
        "not predicted, scored as missed", [c for some in scores.not_predicted.values() for c in some]
    )
    _print_gaps(
        "without reference, left out", [c for some in scores.without_reference.values() for c in some]
    )
    if as_json:
        print_json(scores.summary)
    else:
        print_scores(scores.summary)


def report(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    verbose: options.VerboseOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Write the report of a run again."""
    with session(verbose=verbose, debug=debug):
        from cmda_core.reporting import write_report

        page = write_report(run)
    print_lines([page])


def _print_gaps(what: str, cases: list[str]) -> None:
    if cases:
        print_note(f"{what}: {', '.join(cases)}")
