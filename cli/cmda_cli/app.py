"""The commands, assembled."""

from __future__ import annotations

from typing import Annotated

import typer

from cmda_cli.commands import comparison, data, doctor, evaluation, experiments, export, inference, plugins

app = typer.Typer(
    name="cmda",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"cmda {version('cmda')}")
        raise typer.Exit


@app.callback()
def cmda(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Cross-modality domain adaptation in MRI: translate, segment and grade scans without labels."""


app.add_typer(data.app, name="data")
app.add_typer(plugins.app, name="plugins")
app.command()(experiments.demo)
app.command()(experiments.run)
app.command()(experiments.train)
app.command()(inference.translate)
app.command()(inference.segment)
app.command()(inference.grade)
app.command()(evaluation.evaluate)
app.command()(comparison.compare)
app.command()(evaluation.report)
app.command()(export.export)
app.command()(doctor.doctor)
