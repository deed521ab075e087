"""Options that several commands share, and what they change in an experiment."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Literal

import typer

Backend = Literal["loky", "dask", "ray"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Layout = Literal["auto", "crossmoda2021", "crossmoda2022", "crossmoda2023", "csv", "bids"]
Precision = Literal["32-true", "16-mixed", "bf16-mixed"]


def _check_assignments(values: list[str] | None) -> list[str]:
    for value in values or ():
        key, equals, _ = value.partition("=")
        if not equals or not key.strip():
            raise typer.BadParameter(f"{value!r}: expected KEY=VALUE, for example translator.epochs=50.")
    return values or []


def assignments(values: Sequence[str] | None, example: str) -> dict[str, str]:
    """``NAME=TEXT`` options as a mapping."""
    result = {}
    for value in values or ():
        name, equals, text = value.partition("=")
        if not equals or not name.strip() or not text.strip():
            raise typer.BadParameter(f"{value!r}: expected NAME=TEXT, for example {example}.")
        result[name.strip()] = text.strip()
    return result


TranslatorOption = Annotated[str | None, typer.Option("--translator", help="Translator plugin.")]
SegmenterOption = Annotated[str | None, typer.Option("--segmenter", help="Segmenter plugin.")]
GraderOption = Annotated[str | None, typer.Option("--grader", help="Grader plugin.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        callback=_check_assignments,
        help="Change any setting, such as translator.epochs=50. Repeatable; the last one wins.",
    ),
]
DeviceOption = Annotated[Device | None, typer.Option("--device", help="Processor.")]
DevicesOption = Annotated[int | None, typer.Option("--devices", min=1, help="GPUs that share a training.")]
PrecisionOption = Annotated[Precision | None, typer.Option("--precision", help="Arithmetic of training.")]
JobsOption = Annotated[
    int | None,
    typer.Option("--jobs", min=-1, help="Processes for work per case; -1 for one per core."),
]
BackendOption = Annotated[
    Backend | None,
    typer.Option("--backend", help="Where work per case is done: here, or on a cluster of Dask or Ray."),
]
AddressOption = Annotated[
    str | None,
    typer.Option("--address", help="Of the cluster; one of --jobs workers on this machine if left out."),
]
SeedOption = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of all random choices.")]
FreshOption = Annotated[
    bool,
    typer.Option("--fresh/--resume", help="Run all stages again, or go on where the last run stopped."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show what the libraries log, and warnings.")
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def experiment_overrides(
    *,
    plugins: dict[str, str | None],
    device: Device | None,
    devices: int | None,
    precision: Precision | None,
    seed: int | None,
    assignments: Sequence[str] | None,
    jobs: int | None = None,
    backend: Backend | None = None,
    address: str | None = None,
) -> list[str]:
    """Options as ``a.b=c`` assignments; ``--set`` comes last and wins."""
    named: dict[str, object] = {f"{kind}.plugin": name for kind, name in plugins.items()}
    named |= {"runtime.device": device, "runtime.devices": devices}
    named |= {"runtime.precision": precision, "runtime.seed": seed}
    named |= {"runtime.jobs": jobs, "runtime.backend": backend, "runtime.address": address}
    chosen = [f"{key}={json.dumps(value)}" for key, value in named.items() if value is not None]
    return [*chosen, *(assignments or ())]


def runtime_changes(device: Device | None, precision: Precision | None) -> dict[str, object]:
    """What the command line changes in the runtime of a trained model."""
    changes = {"device": device, "precision": precision}
    return {key: value for key, value in changes.items() if value is not None}
