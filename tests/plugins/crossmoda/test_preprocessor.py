import pickle
from pathlib import Path

import numpy as np
import pytest
from cmda_core.errors import DataError, ModalityError, NotTrainedError
from cmda_core.protocols import Crop, PreparationData, Segmentation
from cmda_core.run import Run
from cmda_core.schema import Cohort, Task
from cmda_core.volumes import read_labels, read_volume
from cmda_core.volumes.geometry import to_mm
from cmda_crossmoda.config import CrossmodaConfig, RegistrationConfig
from cmda_crossmoda.plugin import OFFER, build, load
from cmda_crossmoda.registration import register

from .conftest import COCHLEAE, HeadMaker, native_affine, shift

REGISTRATION = RegistrationConfig(finest_mm=4.0, iterations=60)
CONFIG = CrossmodaConfig(spacing_mm=(2.0, 2.0, 3.0), shape=(56, 40, 20), registration=REGISTRATION)


def one_hot(crop: Crop) -> Segmentation:
    assert crop.labels is not None
    voxels = crop.labels.voxels
    return Segmentation(crop.labels, np.stack([voxels == n for n in range(3)]).astype(np.float32))


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


@pytest.fixture
def fitted(data: PreparationData, task: Task, tmp_path: Path) -> object:
    preprocessor = build(CONFIG, task)
    preprocessor.fit(data, Run(tmp_path / "run"))
    return preprocessor
