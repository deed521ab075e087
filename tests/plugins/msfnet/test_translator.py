from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cmda_core.errors import ConfigError, DataError, ModalityError, NotTrainedError
from cmda_core.protocols import SharedEncoder, TranslationData
from cmda_core.registry import Registry
from cmda_core.run import Run
from cmda_core.schema import Cohort, Task, parse_settings
from cmda_core.volumes import Volume
from cmda_msfnet.config import MsfNetConfig
from cmda_msfnet.translator import MsfNetTranslator


@pytest.fixture
def volume() -> Volume:
    voxels = np.random.default_rng(0).uniform(-1, 1, (23, 17, 4)).astype(np.float32)
    return Volume(voxels, np.diag([-1.0, -1.0, 1.5, 1.0]), "ceT1", "case")


@pytest.mark.parametrize("modality", ["ceT1", "hrT2"])
def test_translates_odd_sizes_both_ways(trained: MsfNetTranslator, volume: Volume, modality: str) -> None:
    image = volume.with_voxels(volume.voxels, modality=modality)
    to = Task().other(modality)
    before = image.voxels.copy()
    result = trained.translate(image, to)
    assert (result.modality, result.voxels.shape, result.voxels.dtype) == (to, (23, 17, 4), np.float32)
    assert np.abs(result.voxels).max() <= 1
    assert np.array_equal(result.affine, image.affine)
    assert np.array_equal(image.voxels, before)
    with pytest.raises(ModalityError):
        trained.translate(image, modality)


def test_a_loaded_translator_gives_the_same_bits(
    trained: MsfNetTranslator, volume: Volume, tmp_path: Path
) -> None:
    trained.save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    loaded = Registry.installed().translator("msf-net").load(tmp_path)
    assert np.array_equal(loaded.translate(volume, "hrT2").voxels, trained.translate(volume, "hrT2").voxels)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DataError, match=r"config\.json"):
        MsfNetTranslator.load(tmp_path)


def test_is_a_shared_encoder(trained: MsfNetTranslator) -> None:
    assert isinstance(trained, SharedEncoder)
    slices = torch.rand(2, 3, 24, 20)
    features = trained.encode(slices)
    assert features.shape == (2, trained.feature_channels, 24 // trained.feature_stride, 5)
    assert not features.requires_grad
    copy = trained.copy_encoder()
    assert torch.equal(copy(slices), features)
    with torch.no_grad():
        for parameter in copy.parameters():
            assert parameter.requires_grad
            parameter.zero_()
    assert torch.equal(trained.encode(slices), features)


def test_same_seed_same_weights(
    data: TranslationData, trained: MsfNetTranslator, volume: Volume, run: Run, tiny: dict[str, Any]
) -> None:
    again = MsfNetTranslator(MsfNetConfig(**tiny), Task())
    again.fit(data, run)
    assert np.array_equal(again.translate(volume, "hrT2").voxels, trained.translate(volume, "hrT2").voxels)


def test_training_lowers_reconstruction_and_cycle(
    data: TranslationData, run: Run, tiny: dict[str, Any]
) -> None:
    settings = {**tiny, "epochs": 20, "learning_rate": 2e-3, "save_every": 100, "log_every": 10}
    MsfNetTranslator(MsfNetConfig(**settings), Task()).fit(data, run)
    rows = [line.split(",") for line in (run.folder / "training.csv").read_text().splitlines()[1:]]
    for key in ("reconstruction", "cycle", "vs", "gif"):
        values = [float(value) for _, name, value in rows if name == key]
        assert values[-1] < 0.8 * values[0], key


def test_before_training(volume: Volume, tmp_path: Path) -> None:
    translator = MsfNetTranslator(MsfNetConfig(), Task())
    with pytest.raises(NotTrainedError, match="msf-net"):
        translator.translate(volume, "hrT2")
    with pytest.raises(NotTrainedError):
        translator.save(tmp_path)


def test_proxies_need_their_labels(data: TranslationData, run: Run, tiny: dict[str, Any]) -> None:
    for field, proxy in (("parcellation", "gif"), ("labels", "vs")):
        cases = tuple(case.model_copy(update={field: None}) for case in data.source)
        poor = TranslationData(Cohort(name="source", cases=cases), data.target)
        with pytest.raises(ConfigError, match=f"'{proxy}'.*take"):
            MsfNetTranslator(MsfNetConfig(**tiny), Task()).fit(poor, run)
    with pytest.raises(ConfigError, match="hold 3 labels"):
        MsfNetTranslator(MsfNetConfig(**tiny, gif_classes=2), Task()).fit(data, run)


def test_settings_are_the_papers_and_checked() -> None:
    config = MsfNetConfig()
    assert (config.reconstruction_weight, config.perceptual_weight, config.learning_rate) == (10, 0.01, 2e-4)
    assert (config.epochs, config.batch_size, config.proxies) == (1000, 1, ("vs", "gif"))
    assert parse_settings(MsfNetConfig, {"perceptual": False}, "x").perceptual == "off"
    with pytest.raises(ConfigError, match="discriminator_crop must be at least 192"):
        parse_settings(MsfNetConfig, {"discriminator_crop": 100}, "x")
