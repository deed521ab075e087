"""What fitting leaves behind, and the registration of a scan with its help."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cmda_core.schema import Task
from cmda_core.volumes import Grid, Volume
from cmda_crossmoda.config import CrossmodaConfig, Metric
from cmda_crossmoda.intensity import IntensityScale
from cmda_crossmoda.registration import Registration
from cmda_crossmoda.trust import Agreement, register_trusted


@dataclass(frozen=True, slots=True)
class Fitted:
    """What is common to all cases.

    Attributes:
        atlas: At the finest resolution of the registration.
        scales: Common intensities of each modality.
        grid: The region of interest on the atlas.
        registrations: Of scans that were registered while fitting, by their fingerprint.
        agreements: How well the training cases of each modality agree with the atlas.
    """

    atlas: Volume
    scales: Mapping[str, IntensityScale]
    grid: Grid
    registrations: Mapping[str, Registration]
    agreements: Mapping[str, Agreement]


def fingerprint(scan: Volume) -> str:
    """Tells scans apart by what is in them: names repeat from one dataset to another."""
    digest = hashlib.blake2b(scan.affine.tobytes(), digest_size=16)
    digest.update(np.ascontiguousarray(scan.voxels[::3, ::3, ::3]).tobytes())
    return digest.hexdigest()


def metric_of(modality: str, config: CrossmodaConfig, task: Task) -> Metric:
    """Similarity of a scan of that modality and the atlas."""
    registration = config.registration
    return registration.within_target if modality == task.target else registration.across_modalities


def registration_of(scan: Volume, fitted: Fitted, config: CrossmodaConfig, task: Task) -> Registration:
    """The registration of a scan, from memory if it was registered while fitting.

    Raises:
        DataError: If the scan cannot be registered.
    """
    known = fitted.registrations.get(fingerprint(scan))
    metric = metric_of(scan.modality, config, task)
    return known or register_trusted(
        fitted.atlas, scan, metric, config.registration, fitted.agreements[scan.modality]
    )
