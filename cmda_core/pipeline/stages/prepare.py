"""Stage *prepare*: every scan onto common grids and one intensity scale."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cmda_core.errors import BrokenPluginError, CmdaError, DataError
from cmda_core.files import write_json
from cmda_core.hookspecs import PreprocessorOffer
from cmda_core.pipeline.blame import blamed
from cmda_core.pipeline.folder import MODEL
from cmda_core.pipeline.promises import checked_preparation
from cmda_core.pipeline.stages.labels import in_labels_of_task
from cmda_core.pipeline.stages.workshop import Workshop
from cmda_core.preparation import QUALITY_FILE, CaseQuality, note_concerns, write_quality
from cmda_core.protocols import Crop, CropName, PreparationData, PreparedCase
from cmda_core.schema import Case, Cohort
from cmda_core.volumes import write_volume
from cmda_core.volumes.nifti import INTENSITY_STEP

LABELS = "labels"
"""Folder of label maps in the labels of the task, where the dataset's own hold others."""

TRAINING_CROPS: tuple[CropName, ...] = ("affined", "unaffined")
TEST_CROPS: tuple[CropName, ...] = ("unaffined",)


def prepare(workshop: Workshop, folder: Path) -> None:
    """Fit the preprocessor on the training cohorts and prepare all cases."""
    chosen = workshop.plan.preprocessor
    data = in_labels_of_task(workshop.dataset, folder / LABELS, workshop.run(folder))
    if not (folder / MODEL).is_dir():
        workshop.fit(chosen, PreparationData(data.source, data.target), folder)
    cohorts = {"source": data.source, "target": data.target, "test": data.test}
    quality: list[CaseQuality] = []
    for name, cohort in cohorts.items():
        crops = TEST_CROPS if name == "test" else TRAINING_CROPS
        records = prepare_cohort(workshop, cohort, crops, folder, f"{name}.json")
        quality += [_quality(name, record) for record in records]
    write_quality(folder / QUALITY_FILE, quality)
    doubted = [f"{one.case} ({one.modality})" for one in quality if one.concerns]
    if doubted:
        workshop.progress.note(
            f"{len(doubted)} of {len(quality)} scans should be looked at before their results are trusted: "
            f"{', '.join(doubted)}. Figures of all: {folder / QUALITY_FILE}"
        )


def prepare_cohort(
    workshop: Workshop, cohort: Cohort, crops: tuple[CropName, ...], folder: Path, name: str
) -> list[dict[str, Any]]:
    """Prepare the cases of a cohort with the preprocessor that the stage *prepare* fitted.

    Args:
        workshop: Of the run.
        cohort: Scans as they were acquired.
        crops: Which crops to cut.
        folder: Where to; each crop has a folder in it, with a cohort file.
        name: Of the cohort files.

    Returns:
        The record of each case.

    Raises:
        DataError: If a case cannot be prepared.
    """
    records = _prepare_cases(workshop, cohort, crops, folder)
    for crop in crops:
        cases = tuple(_case(record, crop, folder) for record in records)
        Cohort(name=f"{cohort.name} ({crop})", cases=cases).save(folder / crop / name)
    return records


def _prepare_cases(
    workshop: Workshop, cohort: Cohort, crops: tuple[CropName, ...], folder: Path
) -> list[dict[str, Any]]:
    model = workshop.folder.model("preprocessor")
    offer = workshop.plan.preprocessor.offer
    arguments = [(offer, model, folder, case, crops) for case in cohort]
    names = [case.id for case in cohort]
    results = workshop.run(folder).each(prepare_case, arguments, names=names, what=f"prepare {cohort.name}")
    records = []
    for case, record in zip(cohort, results, strict=True):
        records.append(record)
        note_concerns(workshop.progress, case.id, case.modality, record["concerns"])
    return records


def prepare_case(
    offer: PreprocessorOffer, model: Path, folder: Path, case: Case, crops: tuple[CropName, ...]
) -> dict[str, Any]:
    """Prepare one case, unless an earlier attempt did, and return its record.

    Raises:
        DataError: If the case cannot be prepared.
        BrokenPluginError: If the preprocessor breaks a promise.
    """
    path = folder / "records" / f"{case.id}_{case.modality}.json"
    if path.exists():
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return record
    label = f"preprocessor {offer.name!r}"
    try:
        prepared = checked_preparation(_preprocessor(offer, model), case, label, crops)
    except BrokenPluginError:
        raise
    except CmdaError as error:
        raise DataError(f"case {case.id}: cannot be prepared. {error}") from error
    record = {crop: _write_crop(prepared, case, crop, folder) for crop in crops}
    record |= {"quality": dict(prepared.quality), "concerns": list(prepared.concerns)}
    write_json(path, record)
    return record


_LOADED: dict[tuple[Path, int], Any] = {}


def _preprocessor(offer: PreprocessorOffer, model: Path) -> Any:
    """The preprocessor, read once per process; the time tells a fitted-again one from the old."""
    key = model, model.stat().st_mtime_ns
    if key not in _LOADED:
        _LOADED.clear()
        with blamed(f"preprocessor {offer.name!r}", "load"):
            _LOADED[key] = offer.load(model)
    return _LOADED[key]


def _write_crop(prepared: PreparedCase, case: Case, name: CropName, folder: Path) -> dict[str, Any]:
    crop: Crop = prepared.crops[name]
    stem = folder / name / f"{case.id}_{case.modality}"
    image = stem.with_name(f"{stem.name}.nii")
    write_volume(image, crop.image, step=INTENSITY_STEP)
    content = case.model_dump(mode="json", exclude={"image", "labels", "parcellation", "pose"})
    content |= {"image": image.name, "pose": crop.pose.model_dump(mode="json")}
    for field, labels in (("labels", crop.labels), ("parcellation", crop.parcellation)):
        if labels is not None:
            path = stem.with_name(f"{stem.name}_{field}.nii")
            write_volume(path, labels)
            content[field] = path.name
    return content


def _quality(cohort: str, record: Mapping[str, Any]) -> CaseQuality:
    case = record[TEST_CROPS[0]]
    return CaseQuality(cohort, case["id"], case["modality"], record["quality"], tuple(record["concerns"]))


def _case(record: Mapping[str, Any], crop: CropName, folder: Path) -> Case:
    content = dict(record[crop])
    for field in ("image", "labels", "parcellation"):
        if field in content:
            content[field] = folder / crop / content[field]
    return Case.model_validate(content)
