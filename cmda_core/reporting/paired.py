"""The true scan that a translation is compared with, as the pages show it."""

from __future__ import annotations

import numpy as np

from cmda_core.evaluation.translation import find_scan, voxels_at
from cmda_core.reporting.finished import FinishedRun
from cmda_core.volumes import Volume, read_volume


def true_scan(run: FinishedRun, source: Volume) -> Volume | None:
    """The true target scan of a prepared source scan, on its grid, if the run has one.

    Args:
        run: Says where paired scans are.
        source: The prepared scan.

    Raises:
        DataError: If the file cannot be read.
    """
    folder, target = run.experiment.data.paired, run.experiment.task.target
    path = None if folder is None else find_scan(folder, source.case, target)
    if path is None:
        return None
    values = voxels_at(source, read_volume(path, target, source.case))
    if not np.isfinite(values).any():
        return None
    filled = np.nan_to_num(values, nan=float(np.nanmin(values)))
    return source.with_voxels(filled.astype(np.float32), modality=target)
