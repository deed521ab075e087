"""What this plugin offers: the translator ``cut``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cmda_core.hookspecs import TranslatorOffer, hookimpl
from cmda_core.protocols import Translator
from cmda_core.schema import Task
from cmda_cut.config import CutConfig


def build(config: CutConfig, task: Task) -> Translator:
    from cmda_core.training.translator import AdversarialTranslator
    from cmda_cut.method import Cut

    return AdversarialTranslator("cut", config, task, Cut)


def load(folder: Path) -> Translator:
    from cmda_core.training.translator import AdversarialTranslator
    from cmda_cut.method import Cut

    return AdversarialTranslator.load(folder, "cut", CutConfig, Cut)


@hookimpl
def offer_translators() -> Iterable[TranslatorOffer]:
    return [
        TranslatorOffer(
            name="cut",
            summary="Each patch of the output is recognised by its input patch: no way back is needed.",
            config=CutConfig,
            build=build,
            load=load,
            tiny={
                "epochs": 2,
                "channels": 2,
                "residual_blocks": 3,
                "discriminator_layers": 2,
                "patches": 16,
                "head_channels": 8,
                "save_every": 2,
                "log_every": 1,
            },
            several_devices=True,
            reference="https://doi.org/10.1007/978-3-030-58545-7_19",
        )
    ]
