import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import vgg19

from cmda_core.errors import ConfigError
from cmda_core.training.perceptual import PerceptualLoss, find_vgg_weights


@pytest.fixture(scope="module")
def random_loss() -> PerceptualLoss:
    return PerceptualLoss("random-vgg")


def test_sums_over_thirteen_relus_and_weights_stay_fixed(random_loss: PerceptualLoss) -> None:
    images = torch.rand(1, 3, 32, 32, requires_grad=True)
    wanted = torch.rand(1, 3, 32, 32, requires_grad=True)
    loss = random_loss(images, wanted)
    loss.backward()
    assert images.grad is not None
    assert images.grad.any()
    assert wanted.grad is None
    assert not any(parameter.requires_grad for parameter in random_loss.parameters())
    outputs = []
    for image in (images, wanted):
        output = (
            (image.detach() + 1) / 2 - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
        ) / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
        features = []
        for layer in random_loss.layers:
            output = layer(output)
            if type(layer).__name__ == "ReLU":
                features.append(output)
        outputs.append(features)
    assert len(outputs[0]) == 13
    expected = sum(((one - two) ** 2).mean().item() for one, two in zip(*outputs, strict=True))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_random_weights_are_always_the_same_and_leave_the_seed_alone(random_loss: PerceptualLoss) -> None:
    before = torch.get_rng_state()
    again = PerceptualLoss("random-vgg", average_pooling=True)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(again.layers[0].weight, random_loss.layers[0].weight)
    assert sum(isinstance(layer, torch.nn.AvgPool2d) for layer in again.layers) == 4


def test_missing_weights_say_where_they_were_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ConfigError, match=f"{tmp_path}.*vgg_weights.*random-vgg"):
        PerceptualLoss("vgg19")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    (tmp_path / "text.pth").write_text("no weights")
    for name in ("other.safetensors", "text.pth"):
        with pytest.raises(ConfigError, match="torchvision's vgg19"):
            PerceptualLoss("vgg19", weights=tmp_path / name)


def test_a_damaged_download_is_told_by_its_checksum(tmp_path: Path) -> None:
    damaged = tmp_path / "vgg19-dcbb9e9d.pth"
    damaged.write_bytes(b"half of it")
    with pytest.raises(ConfigError, match=r"damaged.*dcbb9e9d"):
        find_vgg_weights(damaged)
    digest = hashlib.sha256(b"whole").hexdigest()[:8]
    (tmp_path / f"vgg19-{digest}.pth").write_bytes(b"whole")
    assert find_vgg_weights(tmp_path / f"vgg19-{digest}.pth").name == f"vgg19-{digest}.pth"


@pytest.mark.slow
def test_weights_from_a_named_file(tmp_path: Path) -> None:
    state = vgg19(weights=None).state_dict()
    state["features.0.weight"] = torch.full_like(state["features.0.weight"], 0.5)
    torch.save(state, tmp_path / "vgg19.pth")
    loss = PerceptualLoss("vgg19", weights=tmp_path / "vgg19.pth")
    assert (loss.layers[0].weight == 0.5).all()
