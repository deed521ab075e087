"""What this plugin offers: the translator ``msf-net``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cmda_core.hookspecs import TranslatorOffer, hookimpl
from cmda_core.protocols import Translator
from cmda_core.schema import Cohort, Task
from cmda_msfnet.config import MsfNetConfig


def build(config: MsfNetConfig, task: Task) -> Translator:
    from cmda_msfnet.translator import MsfNetTranslator

    return MsfNetTranslator(config, task)


def load(folder: Path) -> Translator:
    from cmda_msfnet.translator import MsfNetTranslator

    return MsfNetTranslator.load(folder)


def check(config: MsfNetConfig, source: Cohort) -> None:
    from cmda_msfnet.proxies import require_labels

    require_labels(config, source)
    if config.perceptual == "vgg19":
        from cmda_core.training.perceptual import find_vgg_weights

        find_vgg_weights(config.vgg_weights)


@hookimpl
def offer_translators() -> Iterable[TranslatorOffer]:
    return [
        TranslatorOffer(
            name="msf-net",
            summary="One encoder for both modalities; proxy tasks keep tumour and anatomy in place.",
            config=MsfNetConfig,
            build=build,
            load=load,
            check=check,
            tiny={
                "epochs": 2,
                "channels": 3,
                "residual_blocks": 1,
                "perceptual": "off",
                "discriminator_channels": 2,
                "discriminator_layers": 2,
                "discriminator_crop": 16,
                "save_every": 2,
                "log_every": 1,
            },
            shared_encoder=True,
            several_devices=True,
            reference="https://github.com/fiy2W/cmda2022.superpolymerization",
        )
    ]
