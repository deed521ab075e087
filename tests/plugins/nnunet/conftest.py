"""A cohort of tiny prepared cases, and settings with which nnU-Net trains on it in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cmda_core.schema import Case, Cohort
from cmda_core.volumes import LabelVolume, Volume, write_volume
from cmda_core.volumes.nifti import INTENSITY_STEP
from cmda_nnunet.config import NnUnetConfig

SHAPE = (20, 24, 12)
AFFINE = np.diag([-1.0, -1.0, 1.5, 1.0])


def phantom(seed: int, modality: str) -> tuple[Volume, LabelVolume]:
    """A bright tumour block and two small cochlea blocks in noise; no axis is like another."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(SHAPE, dtype=np.uint8)
    i, j, k = rng.integers((7, 4, 3), (10, 14, 6))
    labels[i : i + 4, j : j + 6, k : k + 3] = 1
    labels[2:5, 10:13, 5:7] = labels[15:18, 10:13, 5:7] = 2
    image = rng.normal(-0.3, 0.1, SHAPE)
    image[labels == 1] += 0.9
    image[labels == 2] += 0.5
    voxels = np.clip(image, -1, 1).astype(np.float32)
    return Volume(voxels, AFFINE, modality, f"case{seed}"), LabelVolume(labels, AFFINE, f"case{seed}")


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Three subjects, each as a real ceT1 and as a translated hrT2."""
    folder = tmp_path_factory.mktemp("prepared")
    return Cohort(
        name="tiny",
        cases=tuple(write_case(folder, seed, modality) for seed in range(3) for modality in ("ceT1", "hrT2")),
    )


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
def tiny() -> NnUnetConfig:
    return NnUnetConfig(
        folds=(0,),
        fold_count=3,
        epochs=3,
        iterations_per_epoch=3,
        validation_iterations=1,
        optimiser="adamw",
        learning_rate=1e-2,
        base_features=4,
        max_features=8,
        patch_size=(8, 16, 16),
        batch_size=2,
        mirroring=False,
        channels_last=True,
        save_every=1,
    )
