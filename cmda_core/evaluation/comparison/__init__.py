"""Statistics on scores of several entries, case by case: intervals, paired tests, ranking."""

from cmda_core.evaluation.comparison.compare import Comparison, Contrast, Estimate, Failure, compare
from cmda_core.evaluation.comparison.measures import (
    GRADING_METRICS,
    Measure,
    grading_measures,
    segmentation_measures,
    translation_measures,
)
from cmda_core.evaluation.comparison.ranking import Ranking, TeamRank
from cmda_core.evaluation.comparison.scores import read_scores

__all__ = [
    "GRADING_METRICS",
    "Comparison",
    "Contrast",
    "Estimate",
    "Failure",
    "Measure",
    "Ranking",
    "TeamRank",
    "compare",
    "grading_measures",
    "read_scores",
    "segmentation_measures",
    "translation_measures",
]
