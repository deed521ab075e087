"""Registers the training cases to the atlas.

That shows where the structures come to lie, and how well the cases of each modality agree with the
atlas, which is what later ones are compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cmda_core.files import write_text
from cmda_core.protocols import PreparationData
from cmda_core.run import Run
from cmda_core.schema import Case, PluginConfig, Task
from cmda_core.volumes import Volume, read_labels, read_volume, require_same_grid
from cmda_crossmoda.config import CrossmodaConfig
from cmda_crossmoda.intensity import IntensityScale, Landmarks
from cmda_crossmoda.registration import Registration
from cmda_crossmoda.retry import register_again
from cmda_crossmoda.roi import Box, box_of
from cmda_crossmoda.state import fingerprint, metric_of
from cmda_crossmoda.trust import Agreement, is_doubtful, register_trusted

TUMOUR_PERCENTILE = 99.0
"""Share of a tumour's voxels in percent whose intensities should not be clipped."""


class Located(PluginConfig):
    """A training case on the atlas."""

    fingerprint: str
    """Of the scan."""

    modality: str
    """Of the scan."""

    registration: Registration
    """Where the scan lies relative to the atlas."""

    box: Box | None = None
    """Around all structures in mm of the atlas; empty without labels."""

    brightest: float | None = None
    """Upper end of the tumour's intensities, matched to the reference; empty if there is no tumour."""


@dataclass(frozen=True, slots=True)
class Locator:
    """What a process needs to register a case.

    Attributes:
        atlas: What scans are aligned with.
        scale: Intensities of the source modality.
        config: Settings.
        task: Modalities and structures.
    """

    atlas: Volume
    scale: IntensityScale
    config: CrossmodaConfig
    task: Task

    def locate(self, case: Case) -> Located:
        """Register a case that nothing is known of yet."""
        scan = read_volume(case.image, case.modality, case.id)
        metric = metric_of(case.modality, self.config, self.task)
        nothing = Agreement()
        registration = register_trusted(self.atlas, scan, metric, self.config.registration, nothing)
        return self._located(case, scan, registration)

    def relocate(self, case: Case, first: Registration) -> Located:
        """Register a case again, from other starts."""
        scan = read_volume(case.image, case.modality, case.id)
        metric = metric_of(case.modality, self.config, self.task)
        registration = register_again(self.atlas, scan, metric, self.config.registration, first)
        return self._located(case, scan, registration)

    def _located(self, case: Case, scan: Volume, registration: Registration) -> Located:
        located = Located(fingerprint=fingerprint(scan), modality=case.modality, registration=registration)
        if case.labels is None:
            return located
        labels = read_labels(case.labels, case.id)
        require_same_grid(scan.grid, labels.grid, (str(case.image), str(case.labels)))
        box = box_of(labels, np.array(registration.to_scan))
        tumour = scan.voxels[labels.voxels == self.task.tumour_label]
        if not tumour.size:
            return located.model_copy(update={"box": box})
        matched = self.scale.match(tumour, Landmarks.of(scan.voxels, self.config.intensity))
        brightest = float(np.percentile(matched, TUMOUR_PERCENTILE))
        return located.model_copy(update={"box": box, "brightest": brightest})


def locate_cases(data: PreparationData, locator: Locator, run: Run) -> list[Located]:
    """Register all training cases, and those again that agree less with the atlas than the others.

    What an interrupted fit has done is not done again.

    Raises:
        DataError: If a scan or its labels cannot be read or registered.
    """
    # Whatever labels the target cases may name: the region is placed by the source alone.
    cases = {f"{case.id}_{case.modality}": case for case in (*data.source, *data.target.images_alone())}
    first, again = run.folder / "located", run.folder / "located-again"
    work = {key: (locator, case, first / f"{key}.json") for key, case in cases.items()}
    located = _each(_locate, work, run, "register the training cases")
    others = agreements(list(located.values()))
    trust = locator.config.registration.trust
    doubtful = {
        key: (locator, cases[key], again / f"{key}.json", one.registration)
        for key, one in located.items()
        if not one.registration.retried and is_doubtful(one.registration, others[one.modality], trust)
    }
    # In a folder of their own: what is doubtful follows from all first registrations, in a resumed fit too.
    better = _each(_relocate, doubtful, run, "register doubtful cases again")
    return list({**located, **better}.values())


def agreements(located: Sequence[Located]) -> dict[str, Agreement]:
    """How well the cases of each modality agree with the atlas."""
    return {
        modality: Agreement.of([one.registration for one in located if one.modality == modality])
        for modality in dict.fromkeys(one.modality for one in located)
    }


def _each(
    work: Callable[..., Located], arguments: Mapping[str, tuple[Any, ...]], run: Run, what: str
) -> dict[str, Located]:
    if not arguments:
        return {}
    found = run.each(work, list(arguments.values()), names=list(arguments), what=what)
    return dict(zip(arguments, found, strict=True))


def _locate(locator: Locator, case: Case, path: Path) -> Located:
    return _kept(path, partial(locator.locate, case))


def _relocate(locator: Locator, case: Case, path: Path, first: Registration) -> Located:
    return _kept(path, partial(locator.relocate, case, first))


def _kept(path: Path, find: Callable[[], Located]) -> Located:
    """A file per case: one of all cases, written again after each, would be quadratic in their number."""
    if path.exists():
        return Located.model_validate_json(path.read_text(encoding="utf-8"))
    located = find()
    write_text(path, located.model_dump_json())
    return located
