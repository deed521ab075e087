"""The tables of an evaluation: one row per case, and their summary.

``per_case.csv`` and ``grades.csv`` are long tables; everything that is shown of a run (summary,
report, statistics) is computed from them and from nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pandas as pd

from cmda_core.errors import DataError
from cmda_core.evaluation.calibration import calibration
from cmda_core.evaluation.grading import score_grades
from cmda_core.evaluation.segmentation import METRICS, Definition, StructureScore
from cmda_core.evaluation.translation import SIGNAL_ERROR, TRANSLATION_METRICS, TranslationScore
from cmda_core.files import replacing

PER_CASE_COLUMNS = ["entry", *(field.name for field in fields(StructureScore))]
"""Columns of ``per_case.csv``."""

PROBABILITY_COLUMNS = ["p1", "p2", "p3", "p4"]
"""Probabilities of Koos grade 1 to 4; empty where a grader gives none."""

GRADES_COLUMNS = ["entry", "case", "reference", "predicted", *PROBABILITY_COLUMNS]
"""Columns of ``grades.csv``."""

TRANSLATION_COLUMNS = ["entry", *(field.name for field in fields(TranslationScore))]
"""Columns of ``translations.csv``; the entry is the translator."""

ASSD_DEFINITIONS: Mapping[Definition, str] = {
    "challenge": "mean of the two directional mean surface distances, in mm (crossMoDA; MedPy 0.4.0)",
    "pooled": "mean over the surface voxels of both masks together, in mm (MedPy 0.5.2)",
}
"""What each ASSD is, in words for tables."""

_TEXT_COLUMNS = {"entry", "case", "structure", "note"}
_MISSES = ("missed", "no prediction")


def per_case_table(scores: Mapping[str, Iterable[StructureScore]]) -> pd.DataFrame:
    """One row per entry, case and structure.

    Args:
        scores: The scores of each entry.
    """
    rows = [{"entry": entry, **asdict(score)} for entry, some in scores.items() for score in some]
    return pd.DataFrame(rows, columns=PER_CASE_COLUMNS)


def translation_table(translator: str, scores: Iterable[TranslationScore]) -> pd.DataFrame:
    """One row per case for the whole crop, and one per structure.

    Args:
        translator: Its name.
        scores: Of its translations.
    """
    rows = [{"entry": translator, **asdict(score)} for score in scores]
    return pd.DataFrame(rows, columns=TRANSLATION_COLUMNS)


def summarise(
    per_case: pd.DataFrame,
    grades: pd.DataFrame,
    definition: Definition = "challenge",
    cross_validation: pd.DataFrame | None = None,
    translations: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Mean and standard deviation of every metric, and the scores of the graders.

    Args:
        per_case: With ``PER_CASE_COLUMNS``; rows without a score are left out of the means.
        grades: With ``GRADES_COLUMNS``; rows without a reference are left out.
        definition: The ASSD that ``per_case`` holds.
        cross_validation: Like ``grades``, of cases that were held out from training one fold after
            the other.
        translations: With ``TRANSLATION_COLUMNS``, if translations were compared with true scans.

    Returns:
        JSON-like: ``segmentation`` by entry and structure, ``grading`` by entry, ``cross_validation``
        likewise if there was one, ``translation`` like ``segmentation`` if there was any, ``definitions``.
        Standard deviations are those of a sample, and empty for a single case.
    """
    translated = {} if translations is None else _by_structure(translations, _summarise_translation)
    validated = {} if cross_validation is None else _summarise_graders(cross_validation)
    return {
        "segmentation": _by_structure(per_case, _summarise_structure),
        "grading": _summarise_graders(grades),
        **({"cross_validation": validated} if validated else {}),
        **({"translation": translated} if translated else {}),
        "definitions": _definitions(definition),
    }


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not at all; numbers keep all their digits.

    Raises:
        OutputError: If the file cannot be written.
    """
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def write_rows(path: Path, table: pd.DataFrame) -> None:
    """Write a table that has rows; of one that has none no file stays, nor one of an earlier call.

    Raises:
        OutputError: If the file cannot be written.
    """
    if table.empty:
        path.unlink(missing_ok=True)
    else:
        write_table(path, table)


def read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    """Read a table that ``write_table`` wrote.

    Args:
        path: The CSV file.
        columns: Names that it must have.

    Raises:
        DataError: If the file is missing or damaged, or lacks a column.
    """
    numbers = {column: [""] for column in columns if column not in _TEXT_COLUMNS}
    try:
        # Names such as "007" and "NA" are names, not numbers or gaps.
        table = pd.read_csv(
            path, dtype=dict.fromkeys(_TEXT_COLUMNS, str), keep_default_na=False, na_values=numbers
        )
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{path}: is not a table ({error}). Evaluate again.") from error
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise DataError(f"{path}: has no column {', '.join(missing)}. Evaluate again.")
    return table[columns]


def _by_structure(
    table: pd.DataFrame, summary: Callable[[pd.DataFrame], dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    return {
        str(entry): {
            str(structure): summary(rows) for structure, rows in of_entry.groupby("structure", sort=False)
        }
        for entry, of_entry in table.groupby("entry", sort=False)
    }


def _summarise_translation(rows: pd.DataFrame) -> dict[str, Any]:
    scored = rows.dropna(subset=[SIGNAL_ERROR.name])
    return {
        **{one.name: _mean_and_sd(scored[one.name]) for one in TRANSLATION_METRICS},
        "cases": len(scored),
    }


def _summarise_structure(rows: pd.DataFrame) -> dict[str, Any]:
    scored = rows.dropna(subset=["dice"])
    return {
        **{metric.name: _mean_and_sd(scored[metric.name]) for metric in METRICS},
        "cases": len(scored),
        "missed": int(rows["note"].isin(_MISSES).sum()),
    }


def _mean_and_sd(values: pd.Series[float]) -> dict[str, float | None]:
    return {"mean": _number(values.mean()), "sd": _number(values.std(ddof=1))}


def _number(value: float) -> float | None:
    return None if pd.isna(value) else float(value)


def _summarise_graders(grades: pd.DataFrame) -> dict[str, Any]:
    graded = grades.dropna(subset=["reference"])
    return {str(entry): _summarise_grades(rows) for entry, rows in graded.groupby("entry", sort=False)}


def _summarise_grades(rows: pd.DataFrame) -> dict[str, Any]:
    scores = score_grades(rows["reference"].astype(int).tolist(), rows["predicted"].astype(int).tolist())
    return {
        "ma_mae": scores.ma_mae,
        "mamse": scores.mamse,
        "accuracy": scores.accuracy,
        "macro_f1": scores.macro_f1,
        "cases": len(rows),
        "confusion": [list(row) for row in scores.confusion],
        **_summarise_calibration(rows.dropna(subset=PROBABILITY_COLUMNS)),
    }


def _summarise_calibration(rows: pd.DataFrame) -> dict[str, Any]:
    """Of the cases with probabilities; empty if there are none."""
    if rows.empty:
        return {"ece": None, "brier": None, "rps": None, "reliability": []}
    found = calibration(
        rows["reference"].astype(int).tolist(),
        rows["predicted"].astype(int).tolist(),
        rows[PROBABILITY_COLUMNS].to_numpy(float),
    )
    return {
        "ece": found.ece,
        "brier": found.brier,
        "rps": found.rps,
        "reliability": [asdict(one) for one in found.bins],
    }


def _definitions(definition: Definition) -> dict[str, str]:
    return {
        "dice": "2 |P ∩ R| / (|P| + |R|), per structure and case, on the scan's own grid",
        "assd_mm": f"{definition}: {ASSD_DEFINITIONS[definition]}",
        "hd95_mm": "95th percentile of the surface distances of both directions together, in mm (MedPy)",
        "surface": "voxels with one of six neighbours outside of the mask",
        "missed": "an empty or missing prediction scores Dice 0, ASSD 350 mm, HD95 350 mm",
        "ssim": "structural similarity of translated slices to the true scan, mean over the crop (Wang 2004)",
        "signal_error": "root mean squared error of the translation, after the best linear fit, in standard "
        "deviations of the true crop",
        "no reference": "a structure without reference is listed and left out of the means",
        "sd": "standard deviation over cases (n - 1)",
        "ma_mae": "mean over the grades present of the mean |predicted - reference|",
        "mamse": "mean over the grades present of the mean (predicted - reference)²",
        "ece": "mean over the cases of |accuracy - mean confidence| of their bin; the confidence is the "
        "probability of the predicted grade, in 10 bins of equal width",
        "brier": "mean squared distance of the four probabilities from the reference, 0 to 2",
        "rps": "mean squared distance of the cumulative probabilities from the reference, over the three "
        "thresholds between grades, 0 to 1",
        "cross_validation": "annotated cases, each graded without its subject in the grader's training; "
        "translator and segmenter have seen their images, so it compares graders and is no test",
        "confusion": "rows: reference grade 1 to 4; columns: predicted grade 1 to 4",
    }
