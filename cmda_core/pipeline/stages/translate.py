"""Stages *train-translator* and *translate*."""

from __future__ import annotations

from pathlib import Path

from cmda_core.pipeline.promises import checked_translation
from cmda_core.pipeline.stages.workshop import Workshop
from cmda_core.protocols import TranslationData, Translator
from cmda_core.reporting.chosen import MOST_TRANSLATIONS, spread
from cmda_core.schema import Case, Cohort
from cmda_core.volumes import read_volume, write_volume
from cmda_core.volumes.nifti import INTENSITY_STEP


def train_translator(workshop: Workshop, folder: Path) -> None:
    """Train the translator on the affined crops of the training cohorts."""
    chosen = workshop.plan.translator
    data = TranslationData(workshop.prepared("affined", "source"), workshop.prepared("affined", "target"))
    workshop.fit(chosen, data, folder)


CYCLE = "cycle"
"""Folder, within that of the stage, of cases that were translated there and back."""


def translate(workshop: Workshop, folder: Path) -> None:
    """Render every case in the modality that it was not acquired in, and a few of them back again.

    Those few are for people to look at: what a translation loses is missing when it comes back.
    """
    translator = workshop.chain.translator
    for name in ("source", "target", "test"):
        cohort = workshop.prepared("unaffined", name)
        cases = []
        with workshop.progress.task(f"translate {name}", len(cohort)) as advance:
            for case in cohort:
                cases.append(_translate_case(workshop, translator, case, folder))
                advance(1)
        Cohort(name=f"{name} (translated)", cases=tuple(cases)).save(folder / f"{name}.json")
        back = tuple(
            _translate_case(workshop, translator, case, folder / CYCLE)
            for case in spread(cases, MOST_TRANSLATIONS)
        )
        Cohort(name=f"{name} (there and back)", cases=back).save(folder / CYCLE / f"{name}.json")


def _translate_case(workshop: Workshop, translator: Translator, case: Case, folder: Path) -> Case:
    to = workshop.task.other(case.modality)
    path = folder / f"{case.id}_{to}.nii"
    if not path.exists():
        volume = read_volume(case.image, case.modality, case.id)
        label = workshop.plan.translator.label
        write_volume(path, checked_translation(translator, volume, to, label), step=INTENSITY_STEP)
    return case.model_copy(update={"image": path, "modality": to, "translated_from": case.modality})
