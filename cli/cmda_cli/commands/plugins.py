"""``cmda plugins``: what is installed, and what can be set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cmda_cli import options
from cmda_cli.output import print_json, print_lines, print_note, print_table
from cmda_cli.session import session

if TYPE_CHECKING:
    from cmda_core.registry import Registry

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
    name: Annotated[str, typer.Argument(help="A name that 'cmda plugins list' prints.")],
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


def _print_broken(registry: Registry) -> None:
    for name, error in registry.broken.items():
        print_note(f"plugin {name!r} is broken: {error}")
