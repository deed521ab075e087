"""``cmda data``: make a phantom cohort, check a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cmda_cli import options
from cmda_cli.output import print_json, print_lines, print_table
from cmda_cli.session import session

app = typer.Typer(help="Datasets on disk.", no_args_is_help=True, rich_markup_mode=None)

JobsOption = Annotated[int, typer.Option(min=-1, help="Processes; -1 takes one per core.")]
CountOption = Annotated[int | None, typer.Option(min=0, help="Cases; the preset's number if left out.")]


@app.command()
def phantom(
    out: Annotated[Path, typer.Argument(help="Folder for the cohort.")],
    preset: Annotated[
        Literal["demo", "standard", "full"], typer.Option(help="Resolution and number of cases.")
    ] = "demo",
    source: CountOption = None,
    target: CountOption = None,
    test: CountOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 0,
    jobs: JobsOption = 1,
    verbose: options.VerboseOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Write a phantom cohort in the folder layout of crossMoDA 2022."""
    with session(verbose=verbose, debug=debug) as progress:
        from cmda_core.datasets.phantom import write_phantom

        write_phantom(
            out,
            preset=preset,
            source=source,
            target=target,
            test=test,
            seed=seed,
            jobs=jobs,
            progress=progress,
        )
    print_lines([out])


@app.command()
def check(
    root: Annotated[Path, typer.Argument(help="Folder of the dataset.")],
    experiment: Annotated[
        str, typer.Option(help="Experiment or preset whose task names modalities and structures.")
    ] = "paper",
    jobs: JobsOption = 1,
    as_json: options.JsonOption = False,
    verbose: options.VerboseOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Read a dataset, print what it holds and every defect; exit 1 if a case is unusable."""
    with session(verbose=verbose, debug=debug) as progress:
        from cmda_core.datasets import check_dataset, read_crossmoda2022
        from cmda_core.pipeline import load_experiment

        dataset = read_crossmoda2022(root)
        findings = check_dataset(dataset, load_experiment(experiment).task, jobs=jobs, progress=progress)
    counts = {cohort.name: len(cohort) for cohort in dataset.cohorts}
    errors = [finding for finding in findings if finding.severity == "error"]
    if as_json:
        problems = [
            {"case": f.case, "severity": f.severity, "file": f.file, "message": f.message} for f in findings
        ]
        print_json({"cases": counts, "findings": problems})
    else:
        print_table(["cohort", "cases"], [[name, str(count)] for name, count in counts.items()])
        print_lines(f"{f.severity}: {f.file or f.case or root}: {f.message}" for f in findings)
        print_lines([f"{len(errors)} errors, {len(findings) - len(errors)} warnings"])
    if errors:
        raise typer.Exit(1)
