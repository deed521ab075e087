"""The scan that all others are registered to."""

from __future__ import annotations

import numpy as np

from cmda_core.errors import DataError
from cmda_core.schema import Case, Cohort
from cmda_core.volumes import Volume, read_grid, read_volume
from cmda_crossmoda.config import RegistrationConfig
from cmda_crossmoda.registration import finest_of, shrunk


def choose_atlas(target: Cohort, name: str | None) -> Case:
    """The named target case, or the one whose field of view in mm is nearest to the median.

    Raises:
        DataError: If the cohort is empty or has no case of that name.
    """
    if not len(target):
        raise DataError(f"cohort {target.name!r} is empty. The preprocessor takes its atlas from it.")
    if name is not None:
        return target[name]
    grids = [read_grid(case.image) for case in target]
    fields = np.array([sorted(np.array(grid.shape) * np.array(grid.spacing)) for grid in grids])
    distance = np.linalg.norm(fields - np.median(fields, axis=0), axis=1)
    return target.cases[int(np.argmin(distance))]


def read_atlas(case: Case, config: RegistrationConfig) -> Volume:
    """The atlas at the finest resolution that the registration uses.

    Raises:
        DataError: If the scan cannot be read.
    """
    return shrunk(read_volume(case.image, case.modality, case.id), finest_of(config))
