"""Writes the reference pages: docs/cli.md from ``--help``, docs/config.md from the configuration models."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from typer.main import get_command
from typer.testing import CliRunner

from cmda_cli.app import app
from cmda_core.catalogue import plugin_facts, settings_rows
from cmda_core.registry import Registry
from cmda_core.schema import Experiment

DOCS = Path(__file__).parent
NOTE = "<!-- Written by docs/generate.py; change the code, then run `make docs`. -->"
COLUMNS = ("setting", "type", "default", "meaning")


def cli_page() -> str:
    """Every command with its ``--help``."""
    parts = [NOTE, "# Command line", CLI_INTRODUCTION]
    parts += [f"## {' '.join(command)}\n\n```text\n{_help(command[1:])}\n```" for command in commands()]
    return "\n\n".join(parts) + "\n"


def config_page() -> str:
    """Every setting of an experiment and of the plugins that are installed."""
    parts = [NOTE, "# Settings", CONFIG_INTRODUCTION, "## Experiment", _table(settings_rows(Experiment))]
    for fact in plugin_facts(Registry.installed()):
        offer = fact.offer
        parts += [
            f"## {fact.kind.capitalize()} `{offer.name}`",
            f"{offer.summary} Reference: <{offer.reference}>",
            _table(settings_rows(offer.config)),
        ]
    return "\n\n".join(parts) + "\n"


def commands() -> Iterator[tuple[str, ...]]:
    """All commands, such as ``("cmda", "plugins", "list")``."""
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        if inner is None:
            yield ("cmda", name)
        else:
            yield from (("cmda", name, child) for child in inner)


def _help(arguments: Sequence[str]) -> str:
    result = CliRunner().invoke(app, [*arguments, "--help"], prog_name="cmda", env={"COLUMNS": "100"})
    return "\n".join(line.rstrip() for line in result.stdout.strip().splitlines())


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(COLUMNS) + " |", "| " + " | ".join("---" for _ in COLUMNS) + " |"]
    for name, kind, default, meaning in rows:
        cells = (f"`{name}`", kind, f"`{default}`", meaning.replace("``", "`"))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


CLI_INTRODUCTION = """Results go to stdout, all else to stderr. Exit status: 0 done, 1 wrong data,
configuration or plugin, 2 wrong command line, 130 interrupted."""

CONFIG_INTRODUCTION = """An experiment is a YAML file. What it leaves out has the default below, and
`--set KEY=VALUE` changes any value from the command line. The settings of a plugin stand under its kind,
beside `plugin: NAME`. A misspelt setting is an error."""


if __name__ == "__main__":
    os.environ["NO_COLOR"] = "1"
    (DOCS / "cli.md").write_text(cli_page(), encoding="utf-8")
    (DOCS / "config.md").write_text(config_page(), encoding="utf-8")
