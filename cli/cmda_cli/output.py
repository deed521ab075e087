"""Prints results on stdout and messages on stderr."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

GRADING = {"MA-MAE": "ma_mae", "MAMSE": "mamse", "accuracy": "accuracy", "ECE": "ece"}
"""Columns of the table of graders, by their key in the summary."""


def print_json(content: object) -> None:
    """Print one JSON document, and nothing else, on stdout."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False, default=str))


def print_lines(lines: Iterable[object]) -> None:
    """Print one result per line."""
    for line in lines:
        typer.echo(str(line))


def print_text(text: str) -> None:
    """Print a result that is several lines already."""
    typer.echo(text.rstrip("\n"))


def print_error(message: str) -> None:
    """Print what went wrong and how to mend it."""
    # Without markup: rich would swallow [brackets] of values and paths.
    Console(stderr=True, soft_wrap=True).print(
        f"error: {_printable(message)}", style="red", markup=False, highlight=False, emoji=False
    )


def print_note(message: str) -> None:
    """Print a line that is not a result."""
    typer.echo(_printable(message), err=True)


def print_notes(messages: Iterable[str]) -> None:
    """Print lines that are not results."""
    for message in messages:
        print_note(message)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> None:
    """Print a table; one that does not go to a terminal is as wide as its content."""
    table = Table(*columns, title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*row)
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, emoji=False, width=400)
        table.expand = False
    with console.capture() as captured:
        console.print(table)
    typer.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def print_scores(summary: Mapping[str, Any]) -> None:
    """Print the scores of segmenters, translators and graders as tables."""
    segmentation, grading = summary.get("segmentation") or {}, summary.get("grading") or {}
    if segmentation:
        print_table(
            ["segmentation", "structure", "Dice", "ASSD mm", "HD95 mm"],
            [
                [entry, structure, *(_spread(scores[key]) for key in ("dice", "assd_mm", "hd95_mm"))]
                for entry, structures in segmentation.items()
                for structure, scores in structures.items()
            ],
        )
    if translation := summary.get("translation") or {}:
        print_table(
            ["translation", "structure", "SSIM", "signal error"],
            [
                [entry, structure, *(_spread(scores[key]) for key in ("ssim", "signal_error"))]
                for entry, structures in translation.items()
                for structure, scores in structures.items()
            ],
        )
    for title, part in (("grading", grading), ("cross-validation", summary.get("cross_validation") or {})):
        if part:
            print_table(
                [title, *GRADING],
                [
                    [entry, *(_number(scores.get(key)) for key in GRADING.values())]
                    for entry, scores in part.items()
                ],
            )


def _printable(message: str) -> str:
    """Names of files and values in them may hold what a terminal would obey."""
    return "".join(sign if sign.isprintable() or sign == "\n" else repr(sign)[1:-1] for sign in message)


def _spread(score: Mapping[str, float | None]) -> str:
    mean, sd = score.get("mean"), score.get("sd")
    return _number(mean) if sd is None else f"{_number(mean)} ± {_number(sd)}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
