"""Finds test scans that are there once more, under another name, among the training scans."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from cmda_core.datasets.check.images import digest_of
from cmda_core.datasets.dataset import Dataset
from cmda_core.errors import CmdaError
from cmda_core.progress import Progress
from cmda_core.schema import Case
from cmda_core.volumes import read_volume
from cmda_core.volumes.nifti import read_first_slice


def find_twins(dataset: Dataset, progress: Progress) -> Iterator[tuple[Case, Case]]:
    """Pairs of a test case and a training case with the same intensities.

    Scans with equal first slices are compared as a whole; to read all of every scan would take longer
    than anything else that is looked at before the first stage. ``cmda data check`` does so, and finds
    copies that were turned or flipped too. A scan that cannot be read is left to the stage that needs it.

    Args:
        dataset: The cohorts.
        progress: Shows how many scans have been looked at.
    """
    alike: dict[str, list[Case]] = defaultdict(list)
    cases = [case for cohort in dataset.cohorts for case in cohort]
    with progress.task("look for doubled scans", len(cases)) as advance:
        for case in cases:
            if (found := _first_slice(case)) is not None:
                alike[found].append(case)
            advance(1)
    tested = {case.id for case in dataset.test}
    for group in alike.values():
        ours = [case for case in group if case.id in tested]
        others = [case for case in group if case.id not in tested]
        if ours and others:
            known = {_whole(case): case for case in others}
            yield from ((case, known[whole]) for case in ours if (whole := _whole(case)) in known)


def _first_slice(case: Case) -> str | None:
    try:
        voxels = read_first_slice(case.image)
    except CmdaError:
        return None
    return hashlib.blake2b(np.ascontiguousarray(voxels).data, digest_size=16).hexdigest()


def _whole(case: Case) -> str:
    try:
        return digest_of(read_volume(case.image, case.modality, case.id))
    except CmdaError:
        return case.id  # of no other scan
