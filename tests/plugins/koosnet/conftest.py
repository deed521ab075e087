"""A stand-in problem: tumours whose size and reach follow the grade, in noisy images of two contrasts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cmda_core.protocols import GradingCase, GradingData, GradingInput
from cmda_core.run import Run
from cmda_core.schema import Runtime
from cmda_core.volumes import LabelVolume, Volume, write_volume
from cmda_core.volumes.nifti import INTENSITY_STEP
from cmda_koosnet.config import KoosNetConfig

SHAPE = (32, 32, 16)
AFFINE = np.diag([-1.0, -1.0, 1.5, 1.0])
TINY: dict[str, Any] = {
    "slices": 8,
    "window": 24,
    "channels": 8,
    "stages": 2,
    "projection_channels": (8, 4),
    "pretrain_epochs": 2,
    "epochs": 2,
    "save_every": 2,
    "log_every": 1,
}


class FakeEncoder:
    """A SharedEncoder with fixed random weights and 4 channels at half the resolution."""

    feature_channels = 4
    feature_stride = 2

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self._net = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.LeakyReLU(0.2))
        for parameter in self._net.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) / 3
        self.calls = 0

    @torch.no_grad()
    def encode(self, slices: Tensor) -> Tensor:
        self.calls += 1
        features: Tensor = self._net(slices)
        return features

    def copy_encoder(self) -> nn.Module:
        return copy.deepcopy(self._net)


def subject(grade: int, seed: int, real: str = "ceT1") -> GradingInput:
    draw = np.random.default_rng([grade, seed])
    radius = 1.0 + 1.4 * grade + draw.normal(0, 0.2)
    centre = np.array([16 + draw.choice([-6, 6]), 16 + draw.normal(), 8])
    distance = np.linalg.norm(np.indices(SHAPE).transpose(1, 2, 3, 0) - centre, axis=-1)
    mask = (distance <= radius).astype(np.uint8)
    name = f"{real}{grade}_{seed}"
    images = {}
    for modality, contrast in (("ceT1", 0.8), ("hrT2", -0.4)):
        noise = draw.normal(0, 0.1, SHAPE)
        voxels = np.clip(contrast * mask - 0.2 + noise, -1, 1).astype(np.float32)
        images[modality] = Volume(voxels, AFFINE, modality, name)
    return GradingInput(name, images, LabelVolume(mask, AFFINE, name), real)


def write_case(folder: Path, grade: int, seed: int, real: str, *, annotated: bool) -> GradingCase:
    case = subject(grade, seed, real)
    images = {modality: folder / f"{case.case}_{modality}.nii" for modality in case.images}
    for modality, volume in case.images.items():
        write_volume(images[modality], volume, step=INTENSITY_STEP)
    write_volume(folder / f"{case.case}_mask.nii", case.mask)
    mask = folder / f"{case.case}_mask.nii"
    return GradingCase(case.case, case.case, images, mask, real, grade if annotated else None)


@pytest.fixture(scope="session")
def encoder() -> FakeEncoder:
    return FakeEncoder()


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, encoder: FakeEncoder) -> GradingData:
    folder = tmp_path_factory.mktemp("grading")
    grades = [grade for grade in (1, 2, 3, 4) for _ in range(4)]
    return GradingData(
        annotated=tuple(write_case(folder, g, n, "ceT1", annotated=True) for n, g in enumerate(grades)),
        unannotated=tuple(
            write_case(folder, g, n, "hrT2", annotated=False) for n, g in enumerate(grades[::2])
        ),
        encoder=encoder,
    )


@pytest.fixture(scope="session")
def tiny() -> Callable[..., KoosNetConfig]:
    def make(**changes: object) -> KoosNetConfig:
        settings: Mapping[str, object] = {**TINY, **changes}
        return KoosNetConfig.model_validate(settings)

    return make


@pytest.fixture(scope="session")
def held_out() -> Callable[[int, int], GradingInput]:
    def make(grade: int, seed: int) -> GradingInput:
        return subject(grade, 100 + seed, "hrT2")

    return make


@pytest.fixture
def run_in() -> Callable[[Path], Run]:
    def make(folder: Path) -> Run:
        return Run(folder, Runtime(device="cpu", threads=1))

    return make
