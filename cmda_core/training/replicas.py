"""Keeps the copies of a network alike that several processes train; of one process alone it asks nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

if TYPE_CHECKING:
    from lightning.fabric import Fabric


def share_weights(modules: Iterable[nn.Module], fabric: Fabric) -> None:
    """Give all processes the weights and buffers of the first."""
    if fabric.world_size == 1:
        return
    for module in modules:
        for tensor in (*module.parameters(), *module.buffers()):
            dist.broadcast(tensor.detach(), src=0)


def average_gradients(parameters: Sequence[nn.Parameter], fabric: Fabric) -> None:
    """Set every gradient to its mean over the processes, in a single exchange.

    A parameter that had no part in the loss of one process counts there with a gradient of zero.
    """
    if fabric.world_size == 1:
        return
    trained = [one for one in parameters if one.requires_grad]
    gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in trained]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    means = (flat / fabric.world_size).split([gradient.numel() for gradient in gradients])
    for parameter, gradient, mean in zip(trained, gradients, means, strict=True):
        # Into the same memory: fused optimisers want gradients to be laid out as the weights are.
        parameter.grad = gradient.copy_(mean.view_as(gradient))


def averaged(values: Mapping[str, Tensor], fabric: Fabric) -> dict[str, Tensor]:
    """Scalars as means over the processes, which must name the same ones."""
    if fabric.world_size == 1 or not values:
        return dict(values)
    names = list(values)
    stacked = torch.stack([values[name].detach().float() for name in names])
    means = cast(Tensor, fabric.all_reduce(stacked, reduce_op="mean"))
    return dict(zip(names, means, strict=True))


def gathered(state: Any, fabric: Fabric) -> list[Any]:
    """What is in every process, for the first one; the others get nothing."""
    if fabric.world_size == 1:
        return [state]
    found: list[Any] | None = [None] * fabric.world_size if fabric.is_global_zero else None
    dist.gather_object(state, found)
    return found or []
