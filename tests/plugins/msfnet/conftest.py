from pathlib import Path
from typing import Any

import pytest
import torch
from slice_cohorts import unpaired

from cmda_core.protocols import TranslationData
from cmda_core.run import Run
from cmda_core.schema import Runtime, Task
from cmda_msfnet.config import MsfNetConfig
from cmda_msfnet.translator import MsfNetTranslator

TINY: dict[str, Any] = {
    "epochs": 1,
    "channels": 3,
    "residual_blocks": 1,
    "perceptual": "off",
    "discriminator_channels": 2,
    "discriminator_layers": 2,
    "discriminator_crop": 16,
    "save_every": 2,
    "log_every": 1,
}


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> TranslationData:
    return unpaired(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def trained(data: TranslationData, tmp_path_factory: pytest.TempPathFactory) -> MsfNetTranslator:
    translator = MsfNetTranslator(MsfNetConfig(**TINY), Task())
    translator.fit(data, cpu_run(tmp_path_factory.mktemp("run")))
    return translator


def cpu_run(folder: Path) -> Run:
    return Run(folder, Runtime(device="cpu", threads=1))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    torch.set_num_threads(1)
    return cpu_run(tmp_path / "run")


@pytest.fixture
def tiny() -> dict[str, Any]:
    return dict(TINY)
