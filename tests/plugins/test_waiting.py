"""The training step asks the device for nothing: each question would make a GPU wait."""

from __future__ import annotations

import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from slice_cohorts import unpaired

from cmda_core.run import Run
from cmda_core.schema import Runtime, Task
from cmda_core.training.adversarial import AdversarialMethod, Translations, train_adversarial
from cmda_core.training.config import AdversarialConfig
from cmda_core.training.slices import SliceBatch
from cmda_cyclegan.config import CycleGanConfig
from cmda_cyclegan.method import CycleGan
from cmda_msfnet.config import MsfNetConfig
from cmda_msfnet.method import MsfNetMethod
from cmda_msfnet.networks import MsfNet
from cmda_msfnet.proxies import ProxyLabels

REGIONS = (0, 4, 9)


def msf_net(**settings: Any) -> tuple[AdversarialMethod, AdversarialConfig]:
    config = MsfNetConfig(
        channels=3,
        residual_blocks=1,
        perceptual="random-vgg",
        discriminator_channels=2,
        discriminator_layers=2,
        discriminator_crop=16,
        **settings,
    )
    labels = ProxyLabels(config, Task(), REGIONS)
    network = MsfNet(config.channels, config.residual_blocks, labels.classes)
    return MsfNetMethod(config, network, labels), config


def cyclegan(**settings: Any) -> tuple[AdversarialMethod, AdversarialConfig]:
    # Pools that are soon full: each image in them is waited for when a checkpoint is written.
    config = CycleGanConfig(channels=4, residual_blocks=1, discriminator_layers=1, pool_size=2, **settings)
    return CycleGan(config), config


@pytest.mark.parametrize("make", [msf_net, cyclegan])
def test_losses_are_computed_without_a_look_at_any_value(make: Any) -> None:
    """On torch's device ``meta``, where tensors have no values, and asking for one is an error."""
    method, _ = make()
    method = method.to("meta")
    images = torch.empty(1, 3, 24, 20, device="meta")
    labels = torch.empty(1, 3, 24, 20, dtype=torch.long, device="meta")
    terms, made = method.generator_losses(SliceBatch(images, labels, labels), SliceBatch(images))
    torch.stack(list(terms.values())).sum().backward()
    images = {field.name: getattr(made, field.name).detach() for field in fields(made)}
    rivals = method.discriminator_losses(Translations(**images))
    torch.stack(list(rivals.values())).sum().backward()
    with pytest.raises(RuntimeError, match="meta"):
        float(sum(terms.values()))


@pytest.mark.gpu
@pytest.mark.parametrize("make", [msf_net, cyclegan])
def test_more_steps_do_not_wait_more_often(make: Any, tmp_path: Path) -> None:
    """Between two lines of the log and two checkpoints."""
    waits = []
    for epochs in (4, 8):
        method, config = make(epochs=epochs, log_every=1000, save_every=1000, ema=0.9)
        run = Run(tmp_path / str(epochs), Runtime(device="cuda"))
        data = unpaired(tmp_path / f"data{epochs}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch says that the mode is a prototype
            torch.cuda.set_sync_debug_mode("warn")
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                train_adversarial(method, data, config, run)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        waits.append(sum("synchronizing" in str(warning.message) for warning in caught))
    assert waits[0] == waits[1]
