"""``cmda compare``: several experiments under one protocol, or a table of scores from any source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cmda_cli import options
from cmda_cli.output import print_note, print_text
from cmda_cli.session import session

if TYPE_CHECKING:
    from cmda_core.evaluation.comparison import Comparison
    from cmda_core.pipeline.benchmark import Backend, BenchmarkResult


def compare(
    benchmark: Annotated[
        str | None,
        typer.Argument(help="YAML file, or a preset: phantom-table1, phantom-koos, phantom-selftraining."),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(help="Compare a table of per-case scores instead: the organisers' or per_case.csv."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the runs and tables.  [default: benchmarks/NAME; none with --scores]"),
    ] = None,
    baseline: Annotated[str | None, typer.Option(help="Entry to test the others against.")] = None,
    form: Annotated[
        Literal["terminal", "markdown", "latex", "csv", "json"],
        typer.Option("--format", help="How to print the tables; --out writes all formats."),
    ] = "terminal",
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time.")] = 1,
    backend: Annotated[
        Literal["loky", "dask", "ray"],
        typer.Option(help="Where runs work: processes of this machine, or a cluster."),
    ] = "loky",
    address: Annotated[
        str | None,
        typer.Option(help="Of the Dask or Ray cluster; one on this machine with --jobs workers if left out."),
    ] = None,
    assignments: options.SetOption = None,
    as_json: options.JsonOption = False,
    verbose: options.VerboseOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Compare entries: table, intervals, paired tests, ranking."""
    if (benchmark is None) == (scores is None):
        raise typer.BadParameter("name a benchmark, or a table with --scores: one of the two.")
    if scores is not None:
        with session(verbose=verbose, debug=debug):
            comparison = _compare_scores(scores, baseline, out)
        _print(comparison, "json" if as_json else form)
        return
    changes = [*(assignments or ()), *([f"baseline={baseline}"] if baseline else ())]
    result = _run(str(benchmark), out, changes, jobs, backend, address, verbose=verbose, debug=debug)
    _print(result.comparison, "json" if as_json else form)
    print_note(f"tables and runs: {result.folder}")
    if result.failed:
        print_note(
            f"{len(result.failed)} of {len(result.outcomes)} runs failed; the same command tries them again."
        )
        raise typer.Exit(1)


def _compare_scores(scores: Path, baseline: str | None, out: Path | None) -> Comparison:
    from cmda_core.pipeline.benchmark import compare_file
    from cmda_core.reporting.comparison import write_tables

    comparison = compare_file(scores, baseline=baseline)
    if out is not None:
        write_tables(comparison, out)
    return comparison


def _run(
    source: str,
    out: Path | None,
    changes: list[str],
    jobs: int,
    backend: Backend,
    address: str | None,
    *,
    verbose: bool,
    debug: bool,
) -> BenchmarkResult:
    kept = "interrupted. The same command goes on where it stopped."
    with session(verbose=verbose, debug=debug, interrupted=kept) as progress:
        from cmda_core.pipeline.benchmark import load_benchmark, run_benchmark
        from cmda_core.registry import Registry

        chosen, overrides = load_benchmark(source, overrides=changes)
        return run_benchmark(
            chosen,
            out or Path("benchmarks") / chosen.name,
            progress=progress,
            registry=Registry.installed,
            overrides=overrides,
            jobs=jobs,
            backend=backend,
            address=address,
        )


def _print(comparison: Comparison, form: Literal["terminal", "markdown", "latex", "csv", "json"]) -> None:
    from cmda_core.reporting.comparison import rendered

    print_text(rendered(comparison, form))
