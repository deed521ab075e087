"""``cmda demo``, ``cmda run`` and ``cmda train``: experiments from raw scans to a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cmda_cli import options
from cmda_cli.output import print_json, print_lines, print_scores, print_table
from cmda_cli.progress import duration
from cmda_cli.session import session

if TYPE_CHECKING:
    from cmda_core.pipeline import RunSummary, StageName

Trained = Literal["translator", "segmenter", "grader", "all"]
ExperimentArgument = Annotated[str, typer.Argument(help="YAML file, or a preset: demo, paper, official.")]
RunOption = Annotated[
    Path | None, typer.Option("--out", metavar="RUN", help="Run folder.  [default: runs/NAME]")
]
LAST_STAGES: dict[Trained, StageName] = {
    "translator": "train-translator",
    "segmenter": "train-segmenter",
    "grader": "train-grader",
    "all": "train-grader",
}


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the phantom and the run.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the phantom and of all training.")] = 0,
    translator: options.TranslatorOption = None,
    segmenter: options.SegmenterOption = None,
    grader: options.GraderOption = None,
    assignments: options.SetOption = None,
    device: options.DeviceOption = None,
    devices: options.DevicesOption = None,
    precision: options.PrecisionOption = None,
    fresh: options.FreshOption = False,
    as_json: options.JsonOption = False,
    verbose: options.VerboseOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Run the whole method on a phantom cohort: minutes on two CPU cores."""
    overrides = options.experiment_overrides(
        plugins={"translator": translator, "segmenter": segmenter, "grader": grader},
        device=device,
        devices=devices,
        precision=precision,
        seed=None,
        assignments=assignments,
    )
    with session(verbose=verbose, debug=debug, interrupted=_how_to_go_on(out)) as progress:
        from cmda_core.pipeline import run_demo
        from cmda_core.registry import Registry

        result = run_demo(
            out,
            seed=seed,
            overrides=overrides,
            registry=Registry.installed(),
            progress=progress,
            fresh=fresh,
        )
    _print_result(result, as_json=as_json)


def run(
    experiment: ExperimentArgument,
    out: RunOption = None,
    translator: options.TranslatorOption = None,
    segmenter: options.SegmenterOption = None,
    grader: options.GraderOption = None,
    assignments: options.SetOption = None,
    device: options.DeviceOption = None,
    devices: options.DevicesOption = None,
    precision: options.PrecisionOption = None,
    seed: options.SeedOption = None,
    jobs: options.JobsOption = None,
    backend: options.BackendOption = None,
    address: options.AddressOption = None,
    fresh: options.FreshOption = False,
    as_json: options.JsonOption = False,
    verbose: options.VerboseOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Run all stages of an experiment; finished ones are not run again."""
    overrides = options.experiment_overrides(
        plugins={"translator": translator, "segmenter": segmenter, "grader": grader},
        device=device,
        devices=devices,
        precision=precision,
        seed=seed,
        assignments=assignments,
        jobs=jobs,
        backend=backend,
        address=address,
    )
    result = _run(experiment, out, overrides, None, fresh=fresh, verbose=verbose, debug=debug)
    _print_result(result, as_json=as_json)


def train(
    what: Annotated[Trained, typer.Argument(help="What to train; what it needs is made first.")],
    experiment: ExperimentArgument,
    out: RunOption = None,
    translator: options.TranslatorOption = None,
    segmenter: options.SegmenterOption = None,
    grader: options.GraderOption = None,
    assignments: options.SetOption = None,
    device: options.DeviceOption = None,
    devices: options.DevicesOption = None,
    precision: options.PrecisionOption = None,
    seed: options.SeedOption = None,
    jobs: options.JobsOption = None,
    backend: options.BackendOption = None,
    address: options.AddressOption = None,
    fresh: options.FreshOption = False,
    as_json: options.JsonOption = False,
    verbose: options.VerboseOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Run the stages of an experiment up to and with a training."""
    overrides = options.experiment_overrides(
        plugins={"translator": translator, "segmenter": segmenter, "grader": grader},
        device=device,
        devices=devices,
        precision=precision,
        seed=seed,
        assignments=assignments,
        jobs=jobs,
        backend=backend,
        address=address,
    )
    result = _run(experiment, out, overrides, LAST_STAGES[what], fresh=fresh, verbose=verbose, debug=debug)
    _print_result(result, as_json=as_json)


def _run(
    source: str,
    out: Path | None,
    overrides: list[str],
    until: StageName | None,
    *,
    fresh: bool,
    verbose: bool,
    debug: bool,
) -> RunSummary:
    with session(verbose=verbose, debug=debug, interrupted=_how_to_go_on(out)) as progress:
        from cmda_core.pipeline import load_experiment, run_experiment
        from cmda_core.pipeline.experiments import run_folder_of
        from cmda_core.registry import Registry

        experiment = load_experiment(source, overrides=overrides)
        return run_experiment(
            experiment,
            out or run_folder_of(experiment),
            registry=Registry.installed(),
            progress=progress,
            until=until,
            fresh=fresh,
            origin=source,
        )


def _how_to_go_on(out: Path | None) -> str:
    kept = f"What is done is kept in {out}. " if out else ""
    return f"interrupted. {kept}The same command goes on where it stopped."


def _print_result(result: RunSummary, *, as_json: bool) -> None:
    if as_json:
        content = {**(result.summary or {}), "seconds": result.seconds}
        print_json({**content, "folder": str(result.folder), "report": result.report and str(result.report)})
        return
    print_table(["stage", "time"], [[name, duration(seconds)] for name, seconds in result.seconds.items()])
    if result.summary:
        print_scores(result.summary)
    print_lines([f"report: {result.report}" if result.report else f"run: {result.folder}"])
