"""A comparison as tables, for people, for papers and for programs; and as a report."""

from cmda_core.reporting.comparison.formats import FORMATS, Format, rendered, write_tables
from cmda_core.reporting.comparison.grids import Grid, comparison_grids
from cmda_core.reporting.comparison.report import ComparedScores, write_comparison_report
from cmda_core.reporting.comparison.runs import ComparedRun

__all__ = [
    "FORMATS",
    "ComparedRun",
    "ComparedScores",
    "Format",
    "Grid",
    "comparison_grids",
    "rendered",
    "write_comparison_report",
    "write_tables",
]
