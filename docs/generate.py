"""Writes the reference pages.

docs/cli.md comes from ``--help``, docs/config.md from the configuration models, docs/contract.md from
the rules of the contract kit, docs/gallery.md from the offers and the pictures that there are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from typer.main import get_command
from typer.testing import CliRunner

from cmda_cli.app import app
from cmda_core.catalogue import plugin_facts, settings_rows
from cmda_core.hookspecs import Offer
from cmda_core.registry import Kind, Registry
from cmda_core.schema import Experiment
from cmda_core.testing import rules_by_kind

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


def contract_page() -> str:
    """Every promise, kind by kind; what all kinds promise comes first."""
    rules = rules_by_kind()
    shared = [name for name in rules["translator"] if all(name in promises for promises in rules.values())]
    parts = [NOTE, "# The contract", CONTRACT_INTRODUCTION, "## All kinds"]
    parts.append(_promises({name: rules["translator"][name] for name in shared}))
    for kind, promises in rules.items():
        own = {name: promise for name, promise in promises.items() if name not in shared}
        parts += [f"## {kind.capitalize()}", _promises(own)]
    return "\n\n".join(parts) + "\n"


def gallery_page() -> str:
    """Every plugin that is installed: what it does, where it comes from, a picture."""
    parts = [NOTE, "# Gallery", GALLERY_INTRODUCTION]
    for kind, offers in Registry.installed().offers().items():
        rows = [_gallery_row(kind, offer) for offer in offers.values()]
        parts += [f"## {kind.capitalize()}s", "\n".join(["| plugin | picture |", "| --- | --- |", *rows])]
        parts.append(GALLERY_CAPTIONS[kind])
    return "\n\n".join(parts) + "\n"


def _gallery_row(kind: Kind, offer: Offer) -> str:
    words = f"**`{offer.name}`**<br>{offer.summary}<br>[reference]({offer.reference}) · "
    words += f"[settings](config.md#{kind}-{offer.name})"
    picture = f"images/gallery/{kind}-{offer.name}.jpg"
    shown = f"![{offer.name} on the phantom]({picture})" if (DOCS / picture).exists() else "no picture yet"
    return f"| {words} | {shown} |"


def _promises(promises: Mapping[str, str]) -> str:
    return "\n".join(
        ["| rule | promise |", "| --- | --- |", *(f"| `{n}` | {p} |" for n, p in promises.items())]
    )


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


CONTRACT_INTRODUCTION = """What `cmda plugins check NAME` and `cmda_core.testing` check of a plugin, on tiny
cohorts that they make themselves. Rules on accelerators and capabilities are skipped, with the reason, where
there is nothing to check."""


GALLERY_INTRODUCTION = """Every plugin that comes with cmda, on the phantom of `cmda demo`: minutes of
training at toy size, on one seed. The pictures show what a plugin does, and not which is the better one;
for that there is [`cmda compare`](compare.md)."""

GALLERY_CAPTIONS: Mapping[Kind, str] = {
    "preprocessor": "A scan of each modality as it was acquired, and what becomes of it. Green: the labels.",
    "translator": "Of each modality: a real scan, the same translated, and a real one of another subject. "
    "Green: the labels that the translated scan inherits.",
    "segmenter": "The test scan whose Dice is the median. Green: the reference.",
    "grader": "The probability of each Koos grade (white is 1) for every test case. Ring: the reference. "
    "Dot: the prediction.",
}


if __name__ == "__main__":
    os.environ["NO_COLOR"] = "1"
    (DOCS / "cli.md").write_text(cli_page(), encoding="utf-8")
    (DOCS / "contract.md").write_text(contract_page(), encoding="utf-8")
    (DOCS / "config.md").write_text(config_page(), encoding="utf-8")
    (DOCS / "gallery.md").write_text(gallery_page(), encoding="utf-8")
