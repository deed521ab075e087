"""Cases as nnU-Net sees them: arrays, the fingerprint of the cohort, preprocessed cases.

nnU-Net's arrays are ``(C, K, J, I)`` and its spacings run in the same order. The prepared volumes are
read as they lie: nothing is copied into nnU-Net's raw format, and its pickled properties are replaced
by arrays.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor
from nnunetv2.preprocessing.cropping.cropping import crop_to_nonzero
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from numpy.typing import NDArray

from cmda_core.errors import DataError
from cmda_core.files import replacing, write_json
from cmda_core.parallel import each_case
from cmda_core.progress import Progress
from cmda_core.schema import Case, Cohort, Task
from cmda_core.volumes import LabelVolume, Volume, read_labels, read_volume, require_same_grid
from cmda_nnunet.surroundings import PREPROCESSED, RAW

DATASET = "Dataset001_cmda"
CONFIGURATION = "3d_fullres"
CHANNEL = "MRI"
"""One channel name for both modalities: nnU-Net then normalises each image by its own mean and spread."""

FINGERPRINT = "dataset_fingerprint.json"
_ANNOTATED = -1
"""Stands in files for nnU-Net's tuple of all labels but that of ignored voxels."""

_FOREGROUND_SAMPLES = 1_000_000
"""Foreground voxels for the intensity statistics: nnU-Net's 10^8 cost gigabytes and change nothing."""


def to_array(volume: Volume | LabelVolume) -> NDArray[Any]:
    """Voxels as nnU-Net's ``(1, K, J, I)``."""
    return np.ascontiguousarray(volume.voxels.transpose(2, 1, 0))[None]


def properties_of(volume: Volume) -> dict[str, Any]:
    """What nnU-Net must know of an image: the spacing in mm along K, J and I."""
    return {"spacing": list(volume.spacing[::-1])}


def dataset_description(cohort: Cohort, task: Task, ignore: int | None = None) -> dict[str, Any]:
    """The content of nnU-Net's ``dataset.json``; the files of the cases stay where they are.

    Args:
        cohort: Cases to train on.
        task: Structures to learn.
        ignore: Label of voxels that nothing is to be learnt from; nnU-Net leaves them out of its loss.
    """
    structures = dict(sorted(task.structures.items(), key=lambda item: item[1]))
    return {
        "channel_names": {"0": CHANNEL},
        "labels": {"background": 0, **structures, **({} if ignore is None else {"ignore": ignore})},
        "numTraining": len(cohort),
        "file_ending": ".nii",
        "overwrite_image_reader_writer": "NibabelIO",
        "dataset": {
            case.id: {"images": [str(case.image.resolve())], "label": str(labels_of(case).resolve())}
            for case in cohort
        },
    }


def labels_of(case: Case) -> Path:
    """File of the labels of a training case.

    Raises:
        DataError: If the case has none.
    """
    if case.labels is None:
        raise DataError(f"case {case.id}: has no labels, so a segmenter cannot be trained on it.")
    return case.labels


def write_description(description: Mapping[str, Any], folder: Path) -> None:
    """Write ``dataset.json`` where nnU-Net's planner looks for it."""
    write_json(folder / RAW / DATASET / "dataset.json", description)


def write_fingerprint(
    cohort: Cohort, folder: Path, jobs: int, ignore: int | None = None, progress: Progress | None = None
) -> None:
    """Measure sizes, spacings and foreground intensities of all cases for nnU-Net's planner."""
    path = folder / PREPROCESSED / DATASET / FINGERPRINT
    if path.exists():
        return
    samples = max(1, _FOREGROUND_SAMPLES // len(cohort))
    arguments = [(case, samples, ignore) for case in cohort]
    names = [case.id for case in cohort]
    results = list(
        each_case(_analyse, arguments, names=names, jobs=jobs, what="nnU-Net: measure", progress=progress)
    )
    intensities = np.concatenate([result["intensities"] for result in results])
    if not intensities.size:
        raise DataError(f"cohort {cohort.name!r}: no case has a labelled voxel to learn from.")
    low, median, high = (float(value) for value in np.percentile(intensities, (0.5, 50.0, 99.5)))
    statistics = {
        "mean": float(intensities.mean()),
        "median": median,
        "std": float(intensities.std()),
        "min": float(intensities.min()),
        "max": float(intensities.max()),
        "percentile_99_5": high,
        "percentile_00_5": low,
    }
    write_json(
        path,
        {
            "spacings": [result["spacing"] for result in results],
            "shapes_after_crop": [result["shape"] for result in results],
            "foreground_intensity_properties_per_channel": {"0": statistics},
            "median_relative_size_after_cropping": float(np.median([result["kept"] for result in results])),
        },
    )


def preprocess(
    cohort: Cohort,
    plans: Mapping[str, Any],
    description: Mapping[str, Any],
    folder: Path,
    jobs: int,
    progress: Progress | None = None,
) -> None:
    """Resample and normalise all cases as planned; cases that an interrupted call finished are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [case for case in cohort if not _locations_path(folder, case.id).exists()]
    arguments = [(case, plans, description, folder) for case in missing]
    names = [case.id for case in missing]
    results = each_case(
        _preprocess, arguments, names=names, jobs=jobs, what="nnU-Net: prepare", progress=progress
    )
    for _ in results:
        pass


class PreprocessedCases:
    """Preprocessed cases, mapped into memory, for nnU-Net's data loader.

    Args:
        folder: Where `preprocess` wrote them.
        identifiers: Names of the cases.
        annotated: Where voxels are to be ignored, nnU-Net's name for all others together: -1 (outside of
            the image) and every label.
    """

    def __init__(self, folder: Path, identifiers: Sequence[str], annotated: tuple[int, ...] = ()) -> None:
        self.identifiers = list(identifiers)
        self._folder = folder
        self._annotated = annotated

    def load_case(self, identifier: str) -> tuple[NDArray[Any], NDArray[Any], None, dict[str, Any]]:
        """Image and labels, ``(1, K, J, I)`` each, no previous stage, and the voxels of each label."""
        image = np.load(_image_path(self._folder, identifier), mmap_mode="c")
        labels = np.load(_labels_path(self._folder, identifier), mmap_mode="c")
        with np.load(_locations_path(self._folder, identifier)) as stored:
            of_label, voxels = stored["labels"], stored["voxels"]
        locations: dict[int | tuple[int, ...], NDArray[Any]] = {
            int(label): voxels[of_label == label] for label in np.unique(of_label)
        }
        if self._annotated:
            locations[self._annotated] = locations.pop(_ANNOTATED, voxels[:0])
        return image, labels, None, {"class_locations": locations}


def _analyse(case: Case, samples: int, ignore: int | None) -> dict[str, Any]:
    image, labels = _read(case)
    array, known = to_array(image), to_array(labels).astype(np.int16)
    if ignore is not None:
        known[known == ignore] = 0
    cropped, segmentation, _ = crop_to_nonzero(array, known)
    intensities, _ = DatasetFingerprintExtractor.collect_foreground_intensities(
        segmentation, cropped, num_samples=samples
    )
    return {
        "shape": list(cropped.shape[1:]),
        "spacing": properties_of(image)["spacing"],
        "intensities": np.asarray(intensities[0], dtype=np.float32),
        "kept": cropped.size / array.size,
    }


def _preprocess(case: Case, plans: Mapping[str, Any], description: Mapping[str, Any], folder: Path) -> None:
    manager = PlansManager(json.loads(json.dumps(plans)))
    configuration = manager.get_configuration(CONFIGURATION)
    image, labels = _read(case)
    preprocessor = configuration.preprocessor_class(verbose=False)
    data, segmentation, properties = preprocessor.run_case_npy(
        to_array(image),
        to_array(labels).astype(np.int16),
        properties_of(image),
        manager,
        configuration,
        dict(description),
    )
    found = {
        _ANNOTATED if isinstance(label, tuple) else label: voxels
        for label, voxels in properties["class_locations"].items()
        if len(voxels)
    }
    of_label = np.repeat(list(found), [len(voxels) for voxels in found.values()])
    voxels = np.concatenate([np.empty((0, 4), dtype=np.int64), *found.values()])
    with replacing(_image_path(folder, case.id)) as temporary:
        np.save(temporary, np.asarray(data, dtype=np.float32))
    with replacing(_labels_path(folder, case.id)) as temporary:
        np.save(temporary, np.asarray(segmentation, dtype=np.int16))
    # Last, because its presence says that the case is complete.
    with replacing(_locations_path(folder, case.id)) as temporary:
        np.savez(temporary, labels=of_label, voxels=voxels)


def _read(case: Case) -> tuple[Volume, LabelVolume]:
    image = read_volume(case.image, case.modality, case.id)
    labels = read_labels(labels_of(case), case.id)
    require_same_grid(image.grid, labels.grid, (str(case.image), str(case.labels)))
    return image, labels


def _image_path(folder: Path, case: str) -> Path:
    return folder / f"{case}.npy"


def _labels_path(folder: Path, case: str) -> Path:
    return folder / f"{case}_seg.npy"


def _locations_path(folder: Path, case: str) -> Path:
    return folder / f"{case}.npz"
