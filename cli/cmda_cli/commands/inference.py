"""``cmda translate``, ``cmda segment`` and ``cmda grade``: a trained run at work on new scans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cmda_cli import options
from cmda_cli.output import print_json, print_lines, print_table
from cmda_cli.session import session

ModelArgument = Annotated[Path, typer.Argument(help="Folder of a finished run.")]
InputArgument = Annotated[Path, typer.Argument(metavar="INPUT", help="NIfTI file, or a folder of them.")]
OutArgument = Annotated[Path, typer.Argument(help="Folder for the results.")]


def translate(
    model: ModelArgument,
    inputs: InputArgument,
    out: OutArgument,
    to: Annotated[str, typer.Option(metavar="MODALITY", help="Modality to render, such as hrT2.")],
    device: options.DeviceOption = None,
    precision: options.PrecisionOption = None,
    as_json: options.JsonOption = False,
    verbose: options.VerboseOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Render scans as if they had been acquired with the other modality."""
    with session(verbose=verbose, debug=debug) as progress:
        from cmda_core.pipeline.inference import translate_files
        from cmda_core.registry import Registry

        written = translate_files(
            model,
            inputs,
            out,
            to=to,
            registry=Registry.installed(),
            runtime=options.inference_runtime(model, device, precision),
            progress=progress,
        )
    _print_files(written, as_json=as_json)


def segment(
    model: ModelArgument,
    inputs: InputArgument,
    out: OutArgument,
    device: options.DeviceOption = None,
    precision: options.PrecisionOption = None,
    as_json: options.JsonOption = False,
    verbose: options.VerboseOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Label the structures in scans, on each scan's own grid: CASE_Label.nii.gz."""
    with session(verbose=verbose, debug=debug) as progress:
        from cmda_core.pipeline.inference import segment_files
        from cmda_core.registry import Registry

        written = segment_files(
            model,
            inputs,
            out,
            registry=Registry.installed(),
            runtime=options.inference_runtime(model, device, precision),
            progress=progress,
        )
    _print_files(written, as_json=as_json)


def grade(
    model: ModelArgument,
    inputs: InputArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT.csv", help="Table for case, class and probabilities.")],
    device: options.DeviceOption = None,
    precision: options.PrecisionOption = None,
    as_json: options.JsonOption = False,
    verbose: options.VerboseOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Predict the Koos grade of scans."""
    with session(verbose=verbose, debug=debug) as progress:
        from cmda_core.pipeline.inference import grade_files
        from cmda_core.registry import Registry

        predictions = grade_files(
            model,
            inputs,
            out,
            registry=Registry.installed(),
            runtime=options.inference_runtime(model, device, precision),
            progress=progress,
        )
    if as_json:
        print_json({p.case: {"class": p.grade, "probabilities": p.probabilities} for p in predictions})
    else:
        rows = [[p.case, str(p.grade), *(f"{value:.3f}" for value in p.probabilities)] for p in predictions]
        print_table(["case", "class", "p1", "p2", "p3", "p4"], rows)


def _print_files(written: list[Path], *, as_json: bool) -> None:
    if as_json:
        print_json({"files": [str(path) for path in written]})
    else:
        print_lines(written)
