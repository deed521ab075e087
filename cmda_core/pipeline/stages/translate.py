"""Stages *train-translator* and *translate*."""

from __future__ import annotations

from pathlib import Path

from cmda_core.errors import BrokenPluginError
from cmda_core.pipeline.stages.workshop import Workshop
from cmda_core.protocols import TranslationData, Translator
from cmda_core.schema import Case, Cohort
from cmda_core.volumes import Volume, read_volume, write_volume
from cmda_core.volumes.nifti import INTENSITY_STEP


def train_translator(workshop: Workshop, folder: Path) -> None:
    """Train the translator on the affined crops of the training cohorts."""
    chosen = workshop.plan.translator
    translator = chosen.offer.build(chosen.config, workshop.task)
    data = TranslationData(workshop.prepared("affined", "source"), workshop.prepared("affined", "target"))
    translator.fit(data, workshop.run(folder))
    workshop.save(translator, folder)


def translate(workshop: Workshop, folder: Path) -> None:
    """Render every case in the modality that it was not acquired in."""
    translator = workshop.chain.translator
    for name in ("source", "target", "test"):
        cohort = workshop.prepared("unaffined", name)
        cases = []
        with workshop.progress.task(f"translate {name}", len(cohort)) as advance:
            for case in cohort:
                cases.append(_translate_case(workshop, translator, case, folder))
                advance(1)
        Cohort(name=f"{name} (translated)", cases=tuple(cases)).save(folder / f"{name}.json")


def _translate_case(workshop: Workshop, translator: Translator, case: Case, folder: Path) -> Case:
    to = workshop.task.other(case.modality)
    path = folder / f"{case.id}_{to}.nii"
    if not path.exists():
        volume = read_volume(case.image, case.modality, case.id)
        name = workshop.plan.translator.offer.name
        write_volume(path, checked_translation(translator, volume, to, name), step=INTENSITY_STEP)
    return case.model_copy(update={"image": path, "modality": to, "translated_from": case.modality})


def checked_translation(translator: Translator, volume: Volume, to: str, name: str) -> Volume:
    """Translate a volume and hold the translator to its promise.

    Raises:
        BrokenPluginError: If the result has another shape, or values that are not finite.
    """
    import numpy as np

    result = translator.translate(volume, to)
    if result.voxels.shape != volume.voxels.shape:
        raise BrokenPluginError(
            f"translator {name!r}: case {volume.case} went in with shape {volume.voxels.shape} and came out "
            f"with {result.voxels.shape}. A translator keeps the grid."
        )
    if not np.isfinite(result.voxels).all():
        raise BrokenPluginError(
            f"translator {name!r}: case {volume.case} came out with NaN or infinite intensities. "
            "Did its training diverge? Try a lower learning rate."
        )
    return result
