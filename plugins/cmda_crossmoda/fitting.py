"""Registers the labelled cases to the atlas, to see where their structures come to lie."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from cmda_core.files import write_json
from cmda_core.run import Run
from cmda_core.schema import Case, Cohort, PluginConfig, Task
from cmda_core.volumes import Volume, read_labels, read_volume, require_same_grid
from cmda_crossmoda.config import CrossmodaConfig
from cmda_crossmoda.intensity import IntensityScale, Landmarks
from cmda_crossmoda.registration import Registration, register
from cmda_crossmoda.roi import Box, box_of
from cmda_crossmoda.state import fingerprint, metric_of

TUMOUR_PERCENTILE = 99.0
"""Share of a tumour's voxels in percent whose intensities should not be clipped."""


class Located(PluginConfig):
    """A labelled case on the atlas."""

    fingerprint: str
    """Of the scan."""

    registration: Registration
    """Where the scan lies relative to the atlas."""

    box: Box | None = None
    """Around all structures in mm of the atlas; empty if the label map is."""

    brightest: float | None = None
    """Upper end of the tumour's intensities, matched to the reference; empty if there is no tumour."""


def locate_structures(
    source: Cohort, atlas: Volume, scale: IntensityScale, config: CrossmodaConfig, task: Task, run: Run
) -> Mapping[str, Located]:
    """Register all labelled cases; those that an interrupted fit has done are not done again.

    Returns:
        The cases by the fingerprint of their scans.

    Raises:
        DataError: If a scan or its labels cannot be read or registered.
    """
    path = run.folder / "located.json"
    records = _read(path)
    todo = [case for case in source if case.labels is not None and case.id not in records]
    calls = (delayed(_locate)(case, atlas, scale, config, task) for case in todo)
    with run.progress.task("register the labelled cases", len(todo)) as advance:
        results = Parallel(n_jobs=min(run.jobs, max(len(todo), 1)), return_as="generator")(calls)
        for case, located in zip(todo, results, strict=True):
            records[case.id] = located
            write_json(path, {name: record.model_dump(mode="json") for name, record in records.items()})
            advance(1)
    return {located.fingerprint: located for located in records.values()}


def _locate(case: Case, atlas: Volume, scale: IntensityScale, config: CrossmodaConfig, task: Task) -> Located:
    scan = read_volume(case.image, case.modality, case.id)
    registration = register(atlas, scan, metric_of(task.source, config, task), config.registration)
    located = Located(fingerprint=fingerprint(scan), registration=registration)
    if case.labels is None:
        return located
    labels = read_labels(case.labels, case.id)
    require_same_grid(scan.grid, labels.grid, (str(case.image), str(case.labels)))
    box = box_of(labels, np.array(registration.to_scan))
    tumour = scan.voxels[labels.voxels == task.tumour_label]
    if not tumour.size:
        return located.model_copy(update={"box": box})
    matched = scale.match(tumour, Landmarks.of(scan.voxels, config.intensity))
    brightest = float(np.percentile(matched, TUMOUR_PERCENTILE))
    return located.model_copy(update={"box": box, "brightest": brightest})


def _read(path: Path) -> dict[str, Located]:
    if not path.exists():
        return {}
    records = json.loads(path.read_text(encoding="utf-8"))
    return {name: Located.model_validate(record) for name, record in records.items()}
