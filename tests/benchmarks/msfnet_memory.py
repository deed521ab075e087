"""Counts the memory that a training step of MSF-Net needs at the paper's size, batch 1.

    python -m tests.benchmarks.msfnet_memory

Counted, not observed: weights, their gradients, Adam's moments, and all that the way back needs to be
kept of the way there, each piece of memory once. What a GPU adds: its context, and the workspace of one
convolution.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from .measuring import Table, arguments, finish
from .msfnet_cases import QUICK, SIZES, Ours, Size, batches

GOAL_GB = 12.0


def count(size: Size, *, checkpointing: bool = False) -> dict[str, float]:
    """Bytes by what they are for.

    Args:
        size: What to train.
        checkpointing: Whether activations are computed again instead of kept.
    """
    ours = Ours(size, {"checkpointing": checkpointing, "winograd": False})  # as on a GPU
    method = ours.method
    networks = (method.generator, method.discriminator)
    weights = sum(_bytes(network.parameters()) for network in networks)
    constants = _bytes([*method.parameters(), *method.buffers()]) - weights
    known = {tensor.untyped_storage().data_ptr() for tensor in (*method.parameters(), *method.buffers())}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    method.discriminator.requires_grad_(False)
    with ours, saved_tensors_hooks(keep, lambda tensor: tensor):
        terms, _images = method.generator_losses(*batches(size))
    again = largest_part(size) if checkpointing else 0
    del terms
    return {
        "weights": weights,
        "gradients": weights,
        "moments of Adam": 2 * weights,
        "VGG19": constants,
        "kept for the way back": sum(kept.values()) + again,
    }


def largest_part(size: Size) -> int:
    """Bytes that one pass through the network with most activations keeps: computed again, then freed."""
    generator = Ours(size).method.generator
    height, width = (edge // 4 for edge in size.shape)
    channels = size.settings.get("channels", 64)
    features = torch.zeros(2, 4 * channels, height, width)
    return max(_kept(part, features) for part in [generator.to_source, *generator.proxies.values()])


def _kept(part: nn.Module, features: Tensor) -> int:
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        _output = part(features)
    return sum(kept.values())


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def main() -> None:
    """Print the table."""
    options = arguments(__doc__).parse_args()
    torch.set_num_threads(options.threads)
    size = QUICK if options.quick else SIZES["paper"]
    columns = [count(size, checkpointing=checkpointing) for checkpointing in (False, True)]
    rows = [[name, *(f"{column[name] / 1e9:.2f}" for column in columns)] for name in columns[0]]
    rows.append([f"all (goal: at most {GOAL_GB:.0f})", *(f"{sum(c.values()) / 1e9:.2f}" for c in columns)])
    header = ["what", "GB", "GB with `checkpointing: true`"]
    finish(options, [Table("Memory of a training step of MSF-Net", header, rows)])


if __name__ == "__main__":
    main()
