"""Weights of nnU-Net's networks, each once.

The networks register every layer under up to four names, and ``state_dict`` lists them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from cmda_core.errors import DataError
from cmda_core.files import replacing
from cmda_core.training.state import write_tensors

Weights = Mapping[str, Tensor]


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """A copy of each parameter, on the CPU; nnU-Net's networks have no buffers."""
    return {
        name: weight.detach().to("cpu", copy=True).contiguous() for name, weight in network.named_parameters()
    }


@torch.no_grad()
def set_weights(network: nn.Module, weights: Weights, where: str) -> None:
    """Copy weights into a network of the same shape.

    Args:
        network: Changed in place.
        weights: As `weights_of` gave them.
        where: What to call them in a message.

    Raises:
        DataError: If they are of another network.
    """
    parameters = dict(network.named_parameters())
    if {key: value.shape for key, value in parameters.items()} != {
        key: value.shape for key, value in weights.items()
    }:
        raise DataError(f"{where}: these weights are of another network than its plans describe.")
    for name, parameter in parameters.items():
        parameter.copy_(weights[name])


def write_weights(path: Path, weights: Weights) -> None:
    """Write a safetensors file, whole or not at all.

    Raises:
        OutputError: If the file cannot be written.
    """
    with replacing(path) as temporary:
        write_tensors(temporary, weights)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read what ``write_weights`` wrote.

    Raises:
        DataError: If the file is missing or damaged.
    """
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error
