"""Writes a comparison as text for a terminal, Markdown, LaTeX, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from cmda_core.evaluation.comparison import Comparison, Contrast, Estimate
from cmda_core.files import write_text
from cmda_core.reporting.comparison.grids import Grid, comparison_grids

Format = Literal["terminal", "markdown", "latex", "csv", "json"]

_FILES: Mapping[Format, str] = {
    "markdown": "comparison.md",
    "latex": "comparison.tex",
    "csv": "comparison.csv",
    "json": "comparison.json",
}

_ESTIMATE = ["entry", "structure", "metric", "cases", "seeds", "mean", "sd", "low", "high", "seed_sd"]
_CONTRAST = ["difference", "difference_low", "difference_high", "p", "p_holm", "rank_biserial"]
_CSV_COLUMNS = [*_ESTIMATE, *_CONTRAST, "rank", "rank_score", "failed"]


def rendered(comparison: Comparison, form: Format) -> str:
    """A comparison in a format; the same comparison gives the same text."""
    return FORMATS[form](comparison)


def write_tables(comparison: Comparison, folder: Path) -> list[Path]:
    """Write ``comparison.md``, ``.tex``, ``.csv`` and ``.json``.

    Raises:
        OutputError: If a file cannot be written.
    """
    paths = []
    for form, name in _FILES.items():
        write_text(folder / name, rendered(comparison, form))
        paths.append(folder / name)
    return paths


def _terminal(comparison: Comparison) -> str:
    from rich.console import Console
    from rich.table import Table

    # Without the width of the window: a table is no narrower than its numbers.
    console = Console(file=io.StringIO(), width=400, markup=False, highlight=False, emoji=False)
    for grid in comparison_grids(comparison):
        table = Table(*grid.columns, title=grid.title, title_justify="left", box=None, pad_edge=False)
        for row in grid.rows:
            table.add_row(*(_one_line(cell) for cell in row))
        console.print(table)
        for note in grid.notes:
            console.print(note, soft_wrap=True)
        console.print()
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.strip().splitlines()) + "\n"


def _markdown(comparison: Comparison) -> str:
    return "\n".join(_markdown_table(grid) for grid in comparison_grids(comparison))


def _markdown_table(grid: Grid) -> str:
    rules = ["---", *("---:" for _ in grid.columns[1:])]
    rows = [grid.columns, rules, *grid.rows]
    lines = ["| " + " | ".join(_one_line(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    notes = "".join(f"\n{note.replace('*', chr(92) + '*')}\n" for note in grid.notes)
    return f"## {grid.title}\n\n" + "\n".join(lines) + "\n" + notes


def _latex(comparison: Comparison) -> str:
    head = "% \\usepackage{booktabs}\n\n"
    return head + "\n".join(_latex_table(grid) for grid in comparison_grids(comparison))


def _latex_table(grid: Grid) -> str:
    lines = [" & ".join(_escaped(_one_line(cell)) for cell in row) + r" \\" for row in grid.rows]
    caption = " ".join([f"{grid.title}.", *grid.notes])
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{_escaped(caption)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(grid.columns) - 1)}}}",
            r"\toprule",
            " & ".join(_escaped(name) for name in grid.columns) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


_LATEX = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "<": "$<$",
    ">": "$>$",
    "*": r"$^{*}$",
}


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in text)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _csv(comparison: Comparison) -> str:
    stream = io.StringIO()
    rows = csv.DictWriter(stream, _CSV_COLUMNS, restval="", lineterminator="\n")
    rows.writeheader()
    contrasts = {(one.entry, one.subject, one.metric.name): one for one in comparison.contrasts}
    ranks = {team.entry: team for team in comparison.ranking.teams} if comparison.ranking else {}
    reasons: dict[str, str] = {}
    for failure in comparison.failures:
        before = f"{reasons[failure.entry]}; " if failure.entry in reasons else ""
        reasons[failure.entry] = f"{before}seed {failure.seed}: {_one_line(failure.reason)}"
    for one in comparison.estimates:
        row = _estimate_row(one) | _contrast_row(contrasts.get((one.entry, one.subject, one.metric.name)))
        if one.entry in ranks:
            row |= {"rank": ranks[one.entry].rank, "rank_score": ranks[one.entry].score}
        rows.writerow(row | {"failed": reasons.get(one.entry, "")})
    scored = {one.entry for one in comparison.estimates}
    rows.writerows(
        {"entry": entry, "failed": reason} for entry, reason in reasons.items() if entry not in scored
    )
    return stream.getvalue()


def _estimate_row(one: Estimate) -> dict[str, Any]:
    low, high = one.interval or ("", "")
    return {
        "entry": one.entry,
        "structure": one.subject,
        "metric": one.metric.name,
        "cases": one.cases,
        "seeds": one.seeds,
        "mean": one.mean,
        "sd": one.sd,
        "low": low,
        "high": high,
        "seed_sd": one.seed_sd,
    }


def _contrast_row(one: Contrast | None) -> dict[str, Any]:
    if one is None:
        return {}
    low, high = one.interval or ("", "")
    return {
        "difference": one.difference,
        "difference_low": low,
        "difference_high": high,
        "p": one.p,
        "p_holm": one.p_holm,
        "rank_biserial": one.effect,
    }


def _json(comparison: Comparison) -> str:
    content = asdict(comparison) | {"definitions": DEFINITIONS}
    for row in (*content["estimates"], *content["contrasts"]):
        row["metric"] = row["metric"]["name"]
    content["left_out"] = {measure: list(cases) for measure, cases in comparison.left_out}
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


DEFINITIONS = {
    "mean": "over cases; scores of a case are averaged over seeds first",
    "ma_mae, mamse": "mean over the true grades that occur of the mean absolute (squared) error",
    "sd": "standard deviation over cases (n - 1)",
    "seed_sd": "standard deviation of the means of the seeds (n - 1)",
    "interval": "95 % bootstrap over cases, bias-corrected and accelerated (BCa)",
    "difference": "mean of entry minus baseline, case by case",
    "p": "Wilcoxon's signed-rank test over cases, two-sided, zeros after Pratt",
    "p_holm": "p adjusted by Holm's method for all tests of this comparison",
    "effect": "matched-pairs rank-biserial correlation; positive where the entry is better than the baseline",
    "ranking": "per case, structure and metric 1 + number of entries strictly better, averaged",
    "tau": "Kendall's tau-b between the ranking and that of bootstraps over cases: mean and 95 % of them",
}
"""What each number is, in words."""

FORMATS: Mapping[Format, Callable[[Comparison], str]] = {
    "terminal": _terminal,
    "markdown": _markdown,
    "latex": _latex,
    "csv": _csv,
    "json": _json,
}
"""How to write a comparison, by the name of the format."""
