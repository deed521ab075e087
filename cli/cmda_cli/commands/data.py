"""``cmda data``: make a phantom cohort, check a dataset, convert DICOM files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cmda_cli import options
from cmda_cli.output import print_json, print_lines, print_notes, print_table
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
    layout: Annotated[
        Literal["crossmoda2021", "crossmoda2022", "crossmoda2023", "csv", "bids", "dicom"],
        typer.Option(help="How files and folders are named."),
    ] = "crossmoda2022",
    paired: Annotated[
        bool,
        typer.Option("--paired", help="Scan source cases as hrT2 too, to score translations with."),
    ] = False,
    jobs: JobsOption = 1,
    verbose: options.VerboseOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Write a phantom cohort; by default in the folder layout of crossMoDA 2022."""
    with session(verbose=verbose, debug=debug) as progress:
        from cmda_core.datasets.phantom import write_phantom

        write_phantom(
            out,
            preset=preset,
            source=source,
            target=target,
            test=test,
            seed=seed,
            layout=layout,
            paired=paired,
            jobs=jobs,
            progress=progress,
        )
    print_lines([out])


@app.command()
def check(
    root: Annotated[Path, typer.Argument(help="Folder of the dataset, or its CSV manifest.")],
    experiment: Annotated[
        str, typer.Option(help="Experiment or preset whose task names modalities and structures.")
    ] = "paper",
    layout: Annotated[
        options.Layout | None, typer.Option(help="How files are named; found by looking if left out.")
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder for contact sheets: a slice through the tumour of every case.")
    ] = None,
    jobs: JobsOption = 1,
    as_json: options.JsonOption = False,
    verbose: options.VerboseOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Read a dataset, print what it holds and every defect; exit 1 if a case is unusable."""
    with session(verbose=verbose, debug=debug) as progress:
        from cmda_core.datasets import check_dataset, read_dataset
        from cmda_core.datasets.check import summary
        from cmda_core.pipeline import load_experiment
        from cmda_core.pipeline.plan import region_mm
        from cmda_core.registry import Registry

        chosen = load_experiment(experiment)
        data = chosen.data.model_copy(update={"root": root, "layout": layout or "auto"})
        dataset = read_dataset(data, chosen.task)
        region = region_mm(chosen, Registry.installed())
        result = check_dataset(
            dataset, chosen.task, region_mm=region, pictures=pictures, jobs=jobs, progress=progress
        )
    if as_json:
        print_json(summary.as_json(result, dataset))
    else:
        print_lines([f"layout: {dataset.layout}"])
        print_table(summary.COLUMNS, summary.table(result))
        print_lines([*summary.lines(result, root), *result.pictures])
    if result.errors:
        raise typer.Exit(1)


@app.command()
def convert(
    root: Annotated[Path, typer.Argument(help="Folder with DICOM files, nested in any way.")],
    out: Annotated[Path, typer.Argument(help="Folder for NIfTI files and manifest.csv.")],
    series: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODALITY=WORD",
            help="Word in the description of a modality's series, such as hrT2=ciss. Repeatable.",
        ),
    ] = None,
    structure: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STRUCTURE=WORD,...",
            help="Words in the names of a structure's contours, such as vs=tv,gtv. Repeatable.",
        ),
    ] = None,
    experiment: Annotated[
        str, typer.Option(help="Experiment or preset whose task names modalities and structures.")
    ] = "paper",
    jobs: JobsOption = 1,
    as_json: options.JsonOption = False,
    verbose: options.VerboseOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Convert DICOM series with RTSTRUCT contours; exit 1 if a scan could not be converted."""
    words, names = options.assignments(series, "hrT2=ciss"), options.assignments(structure, "vs=tv,gtv")
    with session(verbose=verbose, debug=debug) as progress:
        from cmda_core.datasets.dicom import convert_dicom
        from cmda_core.pipeline import load_experiment

        result = convert_dicom(
            root,
            out,
            load_experiment(experiment).task,
            series=words,
            structures={name: tuple(some.split(",")) for name, some in names.items()},
            jobs=jobs,
            progress=progress,
        )
    if as_json:
        print_json(
            {"manifest": result.manifest, "scans": len(result.rows), "problems": list(result.problems)}
        )
    else:
        print_lines([result.manifest])
        print_notes(f"warning: {problem}" for problem in result.problems)
    if result.problems:
        raise typer.Exit(1)
