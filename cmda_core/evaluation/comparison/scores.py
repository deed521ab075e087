"""Reads tables of per-case scores, and refuses those that cannot be compared fairly.

Two kinds are told apart by the names of their columns, in any order and case:

- the organisers': ``Case, Team`` and ``<structure>_<metric>`` such as ``VS_Dice`` and ``Cochlea_ASSD``;
- cmda's own ``per_case.csv``: ``entry, case, structure`` and ``dice``, ``assd_mm``, ``hd95_mm``, with
  ``seed`` and ``note`` if there are any.

Every entry must have a score for every case and structure. A gap is an error, because leaving out
what was hard must not improve a mean; it is allowed where the row says ``no reference``, and then
the structure of that case is left out for all entries.
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from cmda_core.errors import DataError
from cmda_core.evaluation.segmentation import METRICS, Metric
from cmda_core.tables import read_lines

_WIDE = re.compile(r"(?P<structure>.+)_(?P<metric>dice|assd|hd95)", re.IGNORECASE)
_METRIC_OF = {"dice": "dice", "assd": "assd_mm", "hd95": "hd95_mm"}
_ROW = ["entry", "seed", "case", "structure"]
_EXPLAINED = "no reference"


def read_scores(path: Path) -> tuple[pd.DataFrame, list[Metric]]:
    """Read a table of scores.

    Args:
        path: CSV in UTF-8.

    Returns:
        Columns ``entry, seed, case, structure`` and one per metric, and the metrics that it holds.

    Raises:
        DataError: If the file cannot be read, lacks a column, holds something that is no score,
            two scores of one case, or leaves out a case of an entry.
    """
    lines = read_lines(path, ())
    if not lines:
        raise DataError(f"{path}: holds no scores.")
    names = [name.lower() for name in lines[0].cells]
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(f"{path}: two columns are named {twice[0]!r}. Keep one of them.")
    text = pd.DataFrame([line.cells for line in lines], dtype=str).set_axis(names, axis="columns")
    text = text.drop(columns="line", errors="ignore")
    text.insert(0, "line", [line.number for line in lines])
    if "team" in names or any(_WIDE.fullmatch(name) for name in names):
        table = _from_wide(text, path)
    else:
        table = _from_long(text, path)
    metrics = [metric for metric in METRICS if metric.name in table.columns]
    for metric in metrics:
        table[metric.name] = _numbers(table, metric, path)
    check_scores(table, metrics, str(path))
    return table[[*_ROW, *(metric.name for metric in metrics)]], metrics


def check_scores(table: pd.DataFrame, metrics: list[Metric], where: str) -> None:
    """Refuse scores that cannot be compared fairly.

    Args:
        table: Columns ``entry, seed, case, structure, note`` and the metrics.
        metrics: Columns to look at.
        where: File, to begin a message with.

    Raises:
        DataError: If a score is doubled, missing or impossible.
    """
    _check_once(table, where)
    _check_complete(table, where)
    for metric in metrics:
        _check_values(table, metric, where)


def _from_wide(text: pd.DataFrame, path: Path) -> pd.DataFrame:
    found = [match for name in text.columns if (match := _WIDE.fullmatch(str(name)))]
    structures = list(dict.fromkeys(match["structure"] for match in found))
    metrics = list(dict.fromkeys(match["metric"] for match in found))
    wanted = ["case", "team", *(f"{structure}_{metric}" for structure in structures for metric in metrics)]
    _require(text, wanted if found else [*wanted, "vs_dice", "vs_assd"], path)
    parts = []
    for structure in structures:
        renamed = {f"{structure}_{metric}": _METRIC_OF[metric] for metric in metrics}
        part = text[["line", "case", "team", *renamed]].rename(columns={**renamed, "team": "entry"})
        parts.append(part.assign(structure=structure, seed=0, note=""))
    return pd.concat(parts, ignore_index=True)


def _from_long(text: pd.DataFrame, path: Path) -> pd.DataFrame:
    _require(text, ["entry", "case", "structure"], path)
    if not any(metric.name in text.columns for metric in METRICS):
        _require(text, [metric.name for metric in METRICS], path)
    note = text["note"] if "note" in text.columns else ""
    seed = text["seed"] if "seed" in text.columns else "0"
    table = text.assign(note=note, seed=seed)
    wrong = table[~table["seed"].str.fullmatch(r"[0-9]{1,9}")]
    if not wrong.empty:
        row = wrong.iloc[0]
        raise DataError(f"{path}: line {row['line']}: expected a whole number as seed, got {row['seed']!r}.")
    return table.assign(seed=table["seed"].astype(int))


def _require(text: pd.DataFrame, columns: list[str], path: Path) -> None:
    missing = [column for column in columns if column not in text.columns]
    if missing:
        got = ", ".join(str(name) for name in text.columns if name != "line")
        raise DataError(
            f"{path}: has no column {', '.join(missing)} (it has {got}). Expected "
            "Case, VS_Dice, VS_ASSD, Cochlea_Dice, Cochlea_ASSD, Team, or entry, case, structure, dice, "
            "assd_mm, hd95_mm."
        )


def _numbers(table: pd.DataFrame, metric: Metric, path: Path) -> pd.Series[float]:
    written = table[metric.name].str.strip()
    empty = written.str.lower().isin(["", "nan", "na", "n/a", "-"])
    values = pd.to_numeric(written.mask(empty), errors="coerce")
    wrong = table[values.isna() & ~empty]
    if not wrong.empty:
        row = wrong.iloc[0]
        raise DataError(
            f"{path}: line {row['line']}: expected a number as {metric.title} of {row['structure']}, "
            f"got {row[metric.name]!r}."
        )
    return values.astype(float)


def _check_once(table: pd.DataFrame, where: str) -> None:
    for column in ("entry", "case", "structure"):
        if (table[column] == "").any():
            raise DataError(f"{where}: a row has no {column}.")
    twice = table[table.duplicated(_ROW)]
    if not twice.empty:
        row = twice.iloc[0]
        raise DataError(
            f"{where}: {row['entry']} has two rows for case {row['case']}, {row['structure']}"
            f"{_and_others(len(twice))}. Keep one of them."
        )


def _check_complete(table: pd.DataFrame, where: str) -> None:
    wanted = set(zip(table["case"], table["structure"], strict=True))
    for (entry, seed), rows in table.groupby(["entry", "seed"], sort=False):
        missing = sorted(wanted - set(zip(rows["case"], rows["structure"], strict=True)))
        if missing:
            case, structure = missing[0]
            raise DataError(
                f"{where}: {entry} (seed {seed}) has no score of case {case}, {structure}"
                f"{_and_others(len(missing))}. Score what was not predicted as the challenge does "
                "(Dice 0, ASSD 350 mm), or leave the case out for all."
            )


def _check_values(table: pd.DataFrame, metric: Metric, where: str) -> None:
    values = table[metric.name]
    gaps = table[values.isna() & (table["note"] != _EXPLAINED)]
    if not gaps.empty:
        row = gaps.iloc[0]
        raise DataError(
            f"{where}: {row['entry']} has no {metric.title} for case {row['case']}, {row['structure']}"
            f"{_and_others(len(gaps))}. Score a miss as the challenge does (Dice 0, ASSD 350 mm); "
            f"where there is nothing to compare with, say {_EXPLAINED!r} in a column named note."
        )
    highest = 1.0 if metric.higher_is_better else float("inf")
    wrong = table[(values < 0) | (values > highest) | (values == float("inf"))]
    if not wrong.empty:
        row = wrong.iloc[0]
        limits = "0 to 1" if metric.higher_is_better else "0 or more, and finite"
        raise DataError(
            f"{where}: {row['entry']}, case {row['case']}, {row['structure']}: expected a {metric.title} of "
            f"{limits}, got {row[metric.name]:g}{_and_others(len(wrong))}."
        )


def _and_others(count: int) -> str:
    return f" (and {count - 1} more)" if count > 1 else ""
