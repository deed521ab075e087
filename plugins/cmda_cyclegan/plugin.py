"""What this plugin offers: the translator ``cyclegan``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cmda_core.hookspecs import TranslatorOffer, hookimpl
from cmda_core.protocols import Translator
from cmda_core.schema import Task
from cmda_cyclegan.config import CycleGanConfig


def build(config: CycleGanConfig, task: Task) -> Translator:
    from cmda_core.training.translator import AdversarialTranslator
    from cmda_cyclegan.method import CycleGan

    return AdversarialTranslator("cyclegan", config, task, CycleGan)


def load(folder: Path) -> Translator:
    from cmda_core.training.translator import AdversarialTranslator
    from cmda_cyclegan.method import CycleGan

    return AdversarialTranslator.load(folder, "cyclegan", CycleGanConfig, CycleGan)


@hookimpl
def offer_translators() -> Iterable[TranslatorOffer]:
    return [
        TranslatorOffer(
            name="cyclegan",
            summary="Two generators that undo each other; the usual baseline.",
            config=CycleGanConfig,
            build=build,
            load=load,
            tiny={"epochs": 2, "channels": 2, "discriminator_layers": 2, "save_every": 2, "log_every": 1},
            several_devices=True,
            reference="https://doi.org/10.1109/ICCV.2017.244",
        )
    ]
