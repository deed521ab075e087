"""Another device, precision or way to run the networks learns what the CPU learns, but for rounding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from slice_cohorts import unpaired

from cmda_core.run import Run
from cmda_core.schema import Runtime, Task
from cmda_core.training.adversarial import AdversarialMethod, train_adversarial
from cmda_core.training.config import AdversarialConfig
from cmda_cyclegan.config import CycleGanConfig
from cmda_cyclegan.method import CycleGan
from cmda_msfnet.config import MsfNetConfig
from cmda_msfnet.method import MsfNetMethod
from cmda_msfnet.networks import MsfNet
from cmda_msfnet.proxies import ProxyLabels

TRAINING: dict[str, Any] = {"epochs": 1, "log_every": 1, "learning_rate": 1e-4, "discriminator_layers": 2}
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def msf_net(**settings: Any) -> tuple[AdversarialMethod, AdversarialConfig]:
    config = MsfNetConfig(channels=8, residual_blocks=1, perceptual="off", **TRAINING, **settings)
    labels = ProxyLabels(config, Task(), (0, 4, 9))
    return MsfNetMethod(
        config, MsfNet(config.channels, config.residual_blocks, labels.classes), labels
    ), config


def cyclegan(**settings: Any) -> tuple[AdversarialMethod, AdversarialConfig]:
    config = CycleGanConfig(channels=8, residual_blocks=1, **TRAINING, **settings)
    return CycleGan(config), config


def losses(make: Any, folder: Path, runtime: Runtime, **settings: Any) -> pd.Series:
    """Every loss of three steps from the same weights."""
    torch.manual_seed(0)
    method, config = make(**settings)
    train_adversarial(method, unpaired(folder / "data"), config, Run(folder / "run", runtime))
    table = pd.read_csv(folder / "run" / "training.csv").query("key != 'learning rate'")
    return table.set_index(["step", "key"]).value


@pytest.mark.filterwarnings(r"ignore:The \.grad attribute of a Tensor:UserWarning")  # by torch.compile
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("precision", "settings", "tolerance"),
    [
        ("32-true", {}, 0.02),  # GPUs convolve with 10 bits of precision
        ("32-true", {"channels_last": True}, 0.02),
        ("32-true", {"checkpointing": True}, 0.02),
        pytest.param("32-true", {"compile": True}, 0.02, marks=pytest.mark.slow),
        ("bf16-mixed", {}, 0.15),
    ],
    ids=["plain", "channels last", "checkpointing", "compiled", "bfloat16"],
)
@pytest.mark.parametrize("make", [msf_net, cyclegan])
def test_learns_what_the_cpu_learns(
    make: Any, precision: Any, settings: dict[str, Any], tolerance: float, device: Any, tmp_path: Path
) -> None:
    expected = losses(make, tmp_path / "cpu", Runtime(device="cpu", threads=1))
    found = losses(
        make, tmp_path / "other", Runtime(device=device, precision=precision, threads=1), **settings
    )
    assert len(expected) >= 3 * 5
    pd.testing.assert_series_equal(found, expected, rtol=tolerance, atol=1e-3)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("make", [msf_net, cyclegan])
def test_deterministic_trainings_give_the_same_bits(make: Any, device: Any, tmp_path: Path) -> None:
    runtime = Runtime(device=device, deterministic=True)
    try:
        first, second = (losses(make, tmp_path / name, runtime) for name in ("first", "second"))
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
    assert first.equals(second)
