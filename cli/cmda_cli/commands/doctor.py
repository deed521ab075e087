"""``cmda doctor``: what this machine has, and what is missing."""

from __future__ import annotations

from cmda_cli import options
from cmda_cli.output import print_json, print_table
from cmda_cli.session import session


def doctor(as_json: options.JsonOption = False, debug: options.DebugOption = False) -> None:
    """Print versions, devices, memory, disk, weights and plugins of this machine."""
    with session(debug=debug):
        from cmda_core.environment import machine_facts
        from cmda_core.registry import Registry

        facts = machine_facts(Registry.installed())
    if as_json:
        print_json(facts)
    else:
        print_table(["what", "found"], [[key, _text(value)] for key, value in facts.items()])


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {found}" for key, found in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(str(found) for found in value) or "none"
    return str(value)
