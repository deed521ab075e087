"""Datasets on disk: reading their layouts, and checking what they hold."""

from cmda_core.datasets.check import Check, Finding, check_dataset
from cmda_core.datasets.crossmoda import read_crossmoda2022
from cmda_core.datasets.dataset import Dataset
from cmda_core.datasets.layouts import read_dataset

__all__ = ["Check", "Dataset", "Finding", "check_dataset", "read_crossmoda2022", "read_dataset"]
