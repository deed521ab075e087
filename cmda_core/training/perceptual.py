"""Perceptual loss: distance between features of VGG19 instead of pixels (Johnson et al. 2016)."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from pickle import UnpicklingError  # only the error that weights_only=True raises
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from cmda_core.errors import ConfigError

_LAYERS = 30
_RANDOM_SEED = 19
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


class PerceptualLoss(nn.Module):
    """Mean squared difference of features, summed over the ReLUs in the first 30 layers of VGG19.

    Args:
        choice: ``vgg19`` or ``random-vgg``.
        weights: File with torchvision's VGG19 weights (``.pth`` or ``.safetensors``); torchvision's
            cache of downloads is looked into if left out. Nothing is ever downloaded.
        average_pooling: Average instead of maximum pooling (Gatys et al. 2016).

    Raises:
        ConfigError: If the trained weights are asked for and are nowhere, or are of another network.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        choice: Literal["vgg19", "random-vgg"],
        *,
        weights: Path | None = None,
        average_pooling: bool = False,
    ) -> None:
        super().__init__()
        from torchvision.models import vgg19

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_RANDOM_SEED)
            network = vgg19(weights=None)
        if choice == "vgg19":
            _load(network, find_vgg_weights(weights))
        layers = [_layer(part, average_pooling) for part in network.features[:_LAYERS]]
        self.layers = nn.ModuleList(layers).requires_grad_(False)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1))

    def forward(self, images: Tensor, wanted: Tensor) -> Tensor:
        """Loss of images ``(N, 3, H, W)`` in [-1, 1]; gradients flow to ``images`` alone."""
        with torch.no_grad():
            targets = self._features(wanted)
        pairs = zip(self._features(images), targets, strict=True)
        return torch.stack([(feature - target).square().mean() for feature, target in pairs]).sum()

    def _features(self, images: Tensor) -> list[Tensor]:
        output = ((images + 1) / 2 - self.mean) / self.std
        features = []
        for layer in self.layers:
            output = layer(output)
            if isinstance(layer, nn.ReLU):
                features.append(output)
        return features


def _layer(layer: nn.Module, average_pooling: bool) -> nn.Module:
    if isinstance(layer, nn.ReLU):
        return nn.ReLU()  # torchvision's works in place and would overwrite the convolution's output
    if average_pooling and isinstance(layer, nn.MaxPool2d):
        return nn.AvgPool2d(2)
    return layer


def find_vgg_weights(weights: Path | None) -> Path:
    """The file with VGG19's weights: the one that is named, or the one in torchvision's cache.

    Raises:
        ConfigError: If there is none, or its content is not what the checksum in its name says.
    """
    if weights is not None and not weights.is_file():
        raise ConfigError(f"vgg_weights: no such file: {weights}.")
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    found = [weights] if weights is not None else sorted(cache.glob("vgg19-*.pth"))
    if found:
        _require_checksum(found[0])
        return found[0]
    raise ConfigError(
        f"perceptual = 'vgg19': found no ImageNet weights of VGG19 (looked for vgg19-*.pth in {cache}), and "
        "nothing is downloaded. Name torchvision's file in vgg_weights, or set perceptual to 'off' or "
        "'random-vgg'."
    )


def _require_checksum(path: Path) -> None:
    """Torchvision puts the first digits of a file's SHA-256 into its name."""
    named = re.fullmatch(r"vgg19-([0-9a-f]{8,64})\.pth", path.name)
    if named is None:
        return
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if not digest.startswith(named[1]):
        raise ConfigError(
            f"{path}: is damaged: its SHA-256 begins with {digest[:8]}, its name says {named[1]}. "
            "Download it again."
        )


def _load(network: nn.Module, path: Path) -> None:
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state)
    except (OSError, RuntimeError, SafetensorError, UnpicklingError, TypeError, EOFError) as error:
        raise ConfigError(f"{path}: does not hold the weights of torchvision's vgg19 ({error}).") from error
