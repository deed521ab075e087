"""``cmda plugins``: what is installed, what can be set, whether it keeps its promises, and a start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cmda_cli import options
from cmda_cli.output import print_json, print_lines, print_note, print_table
from cmda_cli.session import session

if TYPE_CHECKING:
    from cmda_core.registry import Registry
    from cmda_core.testing import Report

Kind = Literal["preprocessor", "translator", "segmenter", "grader"]
NameArgument = Annotated[str, typer.Argument(help="A name that 'cmda plugins list' prints.")]

app = typer.Typer(help="Plugins that are installed.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_plugins(as_json: options.JsonOption = False, debug: options.DebugOption = False) -> None:
    """List the plugins; broken ones, with the reason, on stderr."""
    with session(debug=debug):
        from cmda_core.catalogue import plugin_facts
        from cmda_core.registry import Registry

        registry = Registry.installed()
        facts = plugin_facts(registry)
    _print_broken(registry)
    if as_json:
        print_json([fact.as_json() for fact in facts])
        return
    rows = [[fact.kind, fact.offer.name, fact.source, fact.offer.summary] for fact in facts]
    print_table(["kind", "name", "from", "summary"], rows)


@app.command("show")
def show(
    name: NameArgument,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of the settings, for editors.")
    ] = False,
    as_json: options.JsonOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Show one plugin: reference, capabilities, settings."""
    with session(debug=debug):
        from cmda_core.catalogue import plugin_facts, settings_rows
        from cmda_core.registry import Registry

        registry = Registry.installed()
        names = {id(offer) for _, offer in registry.named(name)}
        facts = [fact for fact in plugin_facts(registry) if fact.offer.name == name] if names else []
    if schema:
        print_json(facts[0].offer.config.model_json_schema())
        return
    if as_json:
        print_json([fact.as_json() for fact in facts])
        return
    for fact in facts:
        offer = fact.offer
        print_lines(
            [
                f"{offer.name} ({fact.kind}, version {offer.version}, from {fact.source})",
                offer.summary,
                f"reference: {offer.reference}",
                f"capabilities: {', '.join(fact.capabilities) or 'none'}",
                "",
            ]
        )
        print_table(["setting", "type", "default", "meaning"], settings_rows(offer.config))


@app.command("check")
def check(
    name: NameArgument,
    kind: Annotated[Kind | None, typer.Option(help="Only the plugin of this kind.")] = None,
    as_json: options.JsonOption = False,
    verbose: options.VerboseOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Check that a plugin keeps the promises of its protocol; exits with status 1 if it breaks one.

    It is trained on tiny cohorts that the check makes itself, which takes seconds to minutes.
    """
    with session(verbose=verbose, debug=debug) as progress:
        from cmda_core.registry import Registry
        from cmda_core.testing import check_installed

        reports = check_installed(Registry.installed(), name, kind, progress)
    if as_json:
        print_json([report.as_json() for report in reports])
    else:
        for report in reports:
            _print_report(report)
    if any(report.broken for report in reports):
        raise typer.Exit(1)


@app.command("new")
def new(
    kind: Annotated[Kind, typer.Argument(help="Kind of the plugin.")],
    name: Annotated[str, typer.Argument(help="Its name, such as my-method.")],
    out: Annotated[
        Path, typer.Option(file_okay=False, help="Folder in which the package's folder is made.")
    ] = Path(),
    debug: options.DebugOption = False,
) -> None:
    """Write a package with a plugin that works, its tests and a README: a start for your own."""
    with session(debug=debug):
        from cmda_core.scaffold import write_package

        package = write_package(kind, name, out)
    print_lines([package])
    print_note(f"Next: pip install -e {package} && cmda plugins check {package.name.removeprefix('cmda-')}")


def _print_report(report: Report) -> None:
    rows = [
        [outcome.rule, outcome.verdict, f"{outcome.seconds:.1f}", f"{outcome.seen} {outcome.mend}".strip()]
        for outcome in report.outcomes
    ]
    print_table(["rule", "verdict", "s", "what was seen"], rows, title=f"{report.kind} {report.name}")
    print_note(f"{report.name} breaks {report.broken} of {len(rows)} promises.")


def _print_broken(registry: Registry) -> None:
    for name, error in registry.broken.items():
        print_note(f"plugin {name!r} is broken: {error}")
