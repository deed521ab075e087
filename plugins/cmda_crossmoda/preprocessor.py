"""The preprocessor of the paper (Fig. 4)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cmda_core.errors import DataError, ModalityError, NotTrainedError
from cmda_core.protocols import Crop, PreparationData, PreparedCase, Segmentation
from cmda_core.run import Run
from cmda_core.schema import Case, Cohort, Pose, Task
from cmda_core.volumes import Grid, LabelVolume, Volume, read_labels, read_volume, require_same_grid
from cmda_core.volumes.geometry import Matrix, to_mm
from cmda_crossmoda.atlas import choose_atlas, read_atlas
from cmda_crossmoda.config import CrossmodaConfig, TrustConfig
from cmda_crossmoda.fitting import Locator, agreements, locate_cases
from cmda_crossmoda.intensity import IntensityScale, Landmarks
from cmda_crossmoda.registration import Registration
from cmda_crossmoda.resample import (
    resample_image,
    resample_labels,
    resample_probabilities,
    resample_structures,
)
from cmda_crossmoda.roi import centre_of, coverage, crop_grid
from cmda_crossmoda.state import Fitted, registration_of
from cmda_crossmoda.trust import Agreement, concerns


class CrossmodaPreprocessor:
    """Histogram matching, affine registration to one atlas, a fixed region around the tumours."""

    def __init__(self, config: CrossmodaConfig, task: Task, fitted: Fitted | None = None) -> None:
        self._config = config
        self._task = task
        self._fitted = fitted

    def fit(self, data: PreparationData, run: Run) -> None:
        atlas_case = choose_atlas(data.target, self._config.atlas)
        atlas = read_atlas(atlas_case, self._config.registration)
        source = self._fit_scale(data.source, self._task.source)
        target = self._fit_scale(data.target, self._task.target)
        located = locate_cases(data, Locator(atlas, source, self._config, self._task), run)
        if self._config.intensity.range == "percentile":
            bright = [case.brightest for case in located if case.brightest is not None]
            source = source.raised_to(max(bright, default=source.high))
        boxes = [case.box for case in located if case.box is not None]
        if not boxes:
            raise DataError(
                f"cohort {data.source.name!r}: no label map shows any structure, so the region of interest "
                "cannot be placed. Check the label files of the source cases."
            )
        grid = crop_grid(centre_of(boxes), self._config)
        share = coverage(boxes, grid)
        if share < 1:
            run.progress.note(
                f"{share:.0%} of the source cases have all their structures within the region of interest; "
                "enlarge preprocessor.shape to hold more."
            )
        registrations = {case.fingerprint: case.registration for case in located}
        scales = {self._task.source: source, self._task.target: target}
        self._fitted = Fitted(atlas, scales, grid, registrations, agreements(located))

    def prepare(self, case: Case) -> PreparedCase:
        fitted = self._ready()
        if case.modality not in fitted.scales:
            raise ModalityError(
                f"case {case.id}: {case.modality} is not of the task ({', '.join(fitted.scales)})."
            )
        scan = read_volume(case.image, case.modality, case.id)
        registration = registration_of(scan, fitted, self._config, self._task)
        others, trust = fitted.agreements[scan.modality], self._config.registration.trust
        to_scan = np.array(registration.to_scan)
        # Voxels as they were acquired, around the same anatomy: only the place of the crop follows the
        # registration, so that nothing is turned or scaled and no tumour is cut by a patient's position.
        moved = crop_grid(to_mm(to_scan, _centre(fitted.grid)), self._config)
        maps = _maps(case, scan)
        landmarks = Landmarks.of(scan.voxels, self._config.intensity)
        return PreparedCase(
            case.id,
            {
                "affined": self._crop(scan, maps, landmarks, fitted.grid, to_scan),
                "unaffined": self._crop(scan, maps, landmarks, moved, np.eye(4)),
            },
            _quality(registration, others, trust),
            concerns(registration, others, trust),
        )

    def restore(self, segmentation: Segmentation, pose: Pose) -> LabelVolume:
        labels = resample_probabilities(
            segmentation.probabilities,
            segmentation.labels.affine,
            pose.native,
            np.linalg.inv(np.array(pose.to_native)),
        )
        return LabelVolume(labels, pose.native.matrix, segmentation.labels.case)

    def save(self, folder: Path) -> None:
        from cmda_crossmoda.storage import save_preprocessor

        save_preprocessor(folder, self._config, self._task, self._ready())

    def _ready(self) -> Fitted:
        if self._fitted is None:
            raise NotTrainedError(
                "preprocessor crossmoda has no atlas yet: run 'cmda train' or call fit first."
            )
        return self._fitted

    def _fit_scale(self, cohort: Cohort, modality: str) -> IntensityScale:
        if not len(cohort):
            raise DataError(f"cohort {cohort.name!r} is empty. The preprocessor needs {modality} scans.")
        name = self._config.references.get(modality)
        case = cohort.cases[0] if name is None else cohort[name]
        scan = read_volume(case.image, modality, case.id)
        return IntensityScale.fit(scan.voxels, modality, self._config.intensity)

    def _crop(
        self,
        scan: Volume,
        maps: Mapping[str, LabelVolume],
        landmarks: Landmarks,
        grid: Grid,
        to_scan: Matrix,
    ) -> Crop:
        scale = self._ready().scales[scan.modality]
        lowest = landmarks.values[0]
        voxels = resample_image(scan.voxels, scan.affine, grid, to_scan, self._config.interpolation, lowest)
        image = Volume(scale.apply(voxels, landmarks), grid.matrix, scan.modality, scan.case)
        pose = Pose.model_validate({"native": scan.grid, "to_native": to_scan})
        labels, parcellation = maps.get("labels"), maps.get("parcellation")
        return Crop(
            image,
            pose,
            labels and image.with_labels(resample_structures(labels.voxels, scan.affine, grid, to_scan)),
            parcellation
            and image.with_labels(resample_labels(parcellation.voxels, scan.affine, grid, to_scan)),
        )


def _quality(registration: Registration, others: Agreement, trust: TrustConfig) -> dict[str, float]:
    quality, to_scan = registration.quality, np.array(registration.to_scan)
    return {
        "agreement": quality.agreement,
        "shortfall": others.shortfall(registration, trust),
        "overlap": quality.overlap,
        "turn_degrees": quality.turn_degrees,
        "shift_mm": quality.shift_mm,
        "scale": float(np.cbrt(abs(np.linalg.det(to_scan[:3, :3])))),
        "similarity": registration.similarity,
        "rigid_only": float(registration.rigid_only),
        "retried": float(registration.retried),
    }


def _centre(grid: Grid) -> Matrix:
    return to_mm(grid.matrix, (np.array(grid.shape) - 1) / 2)


def _maps(case: Case, scan: Volume) -> dict[str, LabelVolume]:
    maps = {}
    for name, path in (("labels", case.labels), ("parcellation", case.parcellation)):
        if path is not None:
            maps[name] = read_labels(path, case.id)
            require_same_grid(scan.grid, maps[name].grid, (str(case.image), str(path)))
    return maps
