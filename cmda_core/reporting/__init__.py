"""The report of a run: one page of HTML with its pictures, and the figures that it is made of."""

from cmda_core.reporting.report import write_report

__all__ = ["write_report"]
