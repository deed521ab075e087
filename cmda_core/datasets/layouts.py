"""Chooses the reader of a dataset by the name of its layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from cmda_core.datasets.crossmoda import read_crossmoda2022
from cmda_core.datasets.dataset import Dataset
from cmda_core.schema import DataConfig

_READERS: Mapping[str, Callable[[Path], Dataset]] = {"crossmoda2022": read_crossmoda2022}


def read_dataset(config: DataConfig) -> Dataset:
    """Find the scans of a dataset; no image is opened.

    Raises:
        DataError: If the folder is missing, or does not hold what its layout promises.
    """
    return _READERS[config.layout](config.root)
