"""``cmda translate``, ``cmda segment`` and ``cmda grade``: a trained model at work on new scans."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cmda_cli import options
from cmda_cli.output import print_error, print_json, print_lines, print_table
from cmda_cli.session import session

if TYPE_CHECKING:
    from cmda_core.pipeline.batch import Batch

ModelArgument = Annotated[Path, typer.Argument(help="Folder of a finished run, or a bundle.")]
InputArgument = Annotated[Path, typer.Argument(metavar="INPUT", help="NIfTI file, or a folder of them.")]
OutArgument = Annotated[Path, typer.Argument(help="Folder for the results.")]
Year = Literal["2021", "2022", "2023"]
GradedYear = Literal["2022"]


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

        translated = translate_files(
            model,
            inputs,
            out,
            to=to,
            registry=Registry.installed(),
            runtime=options.runtime_changes(device, precision),
            progress=progress,
        )
    _print_files(translated, as_json=as_json)


def segment(
    model: ModelArgument,
    inputs: InputArgument,
    out: OutArgument,
    challenge: Annotated[
        Year | None,
        typer.Option(help="Write the files of a submission to that year's crossMoDA challenge."),
    ] = None,
    device: options.DeviceOption = None,
    precision: options.PrecisionOption = None,
    as_json: options.JsonOption = False,
    verbose: options.VerboseOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Label the structures in scans, on each scan's own grid: CASE_Label.nii.gz.

    A scan that fails does not stop the others; the exit status is then 1.
    """
    with session(verbose=verbose, debug=debug) as progress:
        from cmda_core.pipeline.inference import segment_files
        from cmda_core.registry import Registry

        segmented = segment_files(
            model,
            inputs,
            out,
            challenge=challenge,
            registry=Registry.installed(),
            runtime=options.runtime_changes(device, precision),
            progress=progress,
        )
    _print_files(segmented, as_json=as_json)


def grade(
    model: ModelArgument,
    inputs: InputArgument,
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT.csv",
            help="Table for case, class and probabilities; with --challenge, a folder does too.",
        ),
    ],
    challenge: Annotated[
        GradedYear | None,
        typer.Option(help="Write predictions.csv as that year's crossMoDA challenge wants it."),
    ] = None,
    device: options.DeviceOption = None,
    precision: options.PrecisionOption = None,
    as_json: options.JsonOption = False,
    verbose: options.VerboseOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Predict the Koos grade of scans.

    A scan that fails does not stop the others, and is not in the table; the exit status is then 1.
    """
    with session(verbose=verbose, debug=debug) as progress:
        from cmda_core.pipeline.inference import grade_files
        from cmda_core.registry import Registry

        graded = grade_files(
            model,
            inputs,
            out,
            challenge=challenge,
            registry=Registry.installed(),
            runtime=options.runtime_changes(device, precision),
            progress=progress,
        )
    if as_json:
        grades: dict[str, object] = {
            p.case: {"class": p.grade, "probabilities": p.probabilities} for p in graded.done
        }
        print_json(grades | {case: {"error": message} for case, message in graded.failed.items()})
    elif graded.done:
        rows = [[p.case, str(p.grade), *(f"{value:.3f}" for value in p.probabilities)] for p in graded.done]
        print_table(["case", "class", "p1", "p2", "p3", "p4"], rows)
    _report_failures(graded.failed, len(graded.done))


def _print_files(written: Batch[Path], *, as_json: bool) -> None:
    if as_json:
        print_json({"files": [str(path) for path in written.done], "failed": written.failed})
    else:
        print_lines(written.done)
    _report_failures(written.failed, len(written.done))


def _report_failures(failed: Mapping[str, str], done: int) -> None:
    if not failed:
        return
    for message in failed.values():
        print_error(message)
    print_error(f"{len(failed)} of {len(failed) + done} scans failed: {', '.join(failed)}.")
    raise typer.Exit(1)
