"""The scores of graders as the pages show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ROMAN = ("I", "II", "III", "IV")
"""Koos grades as clinicians write them."""

GRADING_FIGURES = (
    ("ma_mae", "MA-MAE"),
    ("mamse", "MAMSE"),
    ("accuracy", "Accuracy"),
    ("macro_f1", "Macro F1"),
    ("ece", "ECE"),
    ("brier", "Brier"),
    ("rps", "RPS"),
)
"""Scores of graders by their key in the summary."""

HIGHER_IS_BETTER = {"Accuracy", "Macro F1"}
"""Of the other scores of graders less is better."""


@dataclass(frozen=True, slots=True)
class ReliabilityBar:
    """The cases of one bin of the confidence.

    Attributes:
        low: Lower edge of the bin.
        high: Upper edge of the bin.
        cases: Number of cases.
        share: Number of cases relative to the fullest bin, 0 to 1.
        confidence: Mean confidence.
        accuracy: Share of right grades.
    """

    low: float
    high: float
    cases: int
    share: float
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class GraderView:
    """The scores of one grader.

    Attributes:
        name: Name of the grader.
        figures: Title and value.
        cases: Graded cases with a true grade.
        confusion: Rows: true grade; columns: predicted grade; number of cases.
        shares: The same as shares of the true grade, 0 to 1.
        reliability: How often the grader is right when it is how sure; empty without probabilities.
    """

    name: str
    figures: tuple[tuple[str, float | None], ...]
    cases: int
    confusion: tuple[tuple[int, ...], ...]
    shares: tuple[tuple[float, ...], ...]
    reliability: tuple[ReliabilityBar, ...]


def grader_views(graders: Mapping[str, Any]) -> list[GraderView]:
    """The scores of every grader.

    Args:
        graders: Summary of each, as `cmda_core.evaluation.tables.summarise` makes it.
    """
    return [_grader_view(name, scores) for name, scores in graders.items()]


def _grader_view(name: str, scores: Mapping[str, Any]) -> GraderView:
    confusion = tuple(tuple(row) for row in scores["confusion"])
    shares = tuple(tuple(count / max(1, sum(row)) for count in row) for row in confusion)
    figures = tuple((title, scores.get(key)) for key, title in GRADING_FIGURES)
    return GraderView(name, figures, scores["cases"], confusion, shares, _reliability(scores))


def _reliability(scores: Mapping[str, Any]) -> tuple[ReliabilityBar, ...]:
    bins = [one for one in scores.get("reliability", []) if one["cases"]]
    fullest = max((one["cases"] for one in bins), default=1)
    return tuple(
        ReliabilityBar(
            one["low"],
            one["high"],
            one["cases"],
            one["cases"] / fullest,
            one["confidence"],
            one["accuracy"],
        )
        for one in bins
    )
