"""A cohort of tiny prepared cases, and settings with which the U-Net learns it in a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cmda_core.schema import Case, Cohort
from cmda_core.volumes import LabelVolume, Volume, write_volume
from cmda_core.volumes.nifti import INTENSITY_STEP
from cmda_unet.config import UnetConfig

SHAPE = (20, 24, 10)
AFFINE = np.diag([-1.0, -1.0, 1.5, 1.0])


def phantom(seed: int, modality: str) -> tuple[Volume, LabelVolume]:
    """A tumour block and two small cochlea blocks in noise; no axis is like another."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(SHAPE, dtype=np.uint8)
    i, j = rng.integers((7, 4), (10, 14))
    labels[i : i + 4, j : j + 6, 3:7] = 1
    labels[2:5, 10:13, 5:7] = labels[15:18, 10:13, 5:7] = 2
    image = rng.normal(-0.3, 0.1, SHAPE)
    image[labels == 1] += 0.9 if modality == "ceT1" else -0.5
    image[labels == 2] += 0.5
    voxels = np.clip(image, -1, 1).astype(np.float32)
    return Volume(voxels, AFFINE, modality, f"case{seed}"), LabelVolume(labels, AFFINE, f"case{seed}")


def write_case(folder: Path, seed: int, modality: str) -> Case:
    image, labels = phantom(seed, modality)
    name = f"s{seed}_{modality}"
    write_volume(folder / f"{name}.nii", image, step=INTENSITY_STEP)
    write_volume(folder / f"{name}_Label.nii", labels)
    return Case(
        id=name,
        subject=f"s{seed}",
        modality=modality,
        image=folder / f"{name}.nii",
        labels=folder / f"{name}_Label.nii",
    )


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Three subjects, each as a real ceT1 and as a translated hrT2."""
    folder = tmp_path_factory.mktemp("prepared")
    return Cohort(
        name="tiny",
        cases=tuple(write_case(folder, seed, modality) for seed in range(3) for modality in ("ceT1", "hrT2")),
    )


@pytest.fixture(scope="session")
def held_out() -> tuple[Volume, LabelVolume]:
    return phantom(50, "hrT2")


@pytest.fixture(scope="session")
def tiny() -> UnetConfig:
    return UnetConfig(
        epochs=4,
        iterations_per_epoch=20,
        batch_size=4,
        learning_rate=1e-2,
        channels=8,
        levels=3,
        rotation_degrees=5,
        save_every=30,
    )
