"""A comparison as tables: for people, for papers and for programs."""

from cmda_core.reporting.comparison.formats import FORMATS, Format, rendered, write_tables
from cmda_core.reporting.comparison.grids import Grid, comparison_grids

__all__ = ["FORMATS", "Format", "Grid", "comparison_grids", "rendered", "write_tables"]
