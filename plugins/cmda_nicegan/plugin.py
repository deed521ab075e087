"""What this plugin offers: the translator ``nice-gan``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cmda_core.hookspecs import TranslatorOffer, hookimpl
from cmda_core.protocols import Translator
from cmda_core.schema import Task
from cmda_nicegan.config import NiceGanConfig


def build(config: NiceGanConfig, task: Task) -> Translator:
    from cmda_core.training.translator import AdversarialTranslator
    from cmda_nicegan.method import NiceGan

    return AdversarialTranslator("nice-gan", config, task, NiceGan)


def load(folder: Path) -> Translator:
    from cmda_core.training.translator import AdversarialTranslator
    from cmda_nicegan.method import NiceGan

    return AdversarialTranslator.load(folder, "nice-gan", NiceGanConfig, NiceGan)


@hookimpl
def offer_translators() -> Iterable[TranslatorOffer]:
    return [
        TranslatorOffer(
            name="nice-gan",
            summary="The discriminators' first layers are the encoders, trained by discriminating alone.",
            config=NiceGanConfig,
            build=build,
            load=load,
            tiny={
                "epochs": 2,
                "channels": 2,
                "residual_blocks": 1,
                "local_layers": 0,
                "global_layers": 1,
                "save_every": 2,
                "log_every": 1,
            },
            several_devices=True,
            reference="https://arxiv.org/abs/2003.00273",
        )
    ]
