"""Slice-by-slice inference of 2.5D translators."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cmda_core.training.memory import kept_memory
from cmda_core.training.slices import OverlapMean, neighbours
from cmda_core.volumes import Volume


@torch.no_grad()
def translate_volume(
    translate: Callable[[Tensor], Tensor],
    volume: Volume,
    to: str,
    *,
    stride: int,
    batch_size: int,
    device: torch.device,
) -> Volume:
    """Translate axial slices with their neighbours, and average the three predictions of each slice.

    Args:
        translate: From ``(N, 3, H, W)`` to the same shape, both in [-1, 1].
        volume: Intensities in [-1, 1]; of any size.
        to: Modality of the result.
        stride: What H and W must divide by; edges are repeated up to there and cut off again.
        batch_size: Slices that are on the device at once.
        device: Where ``translate`` computes.
    """
    stack = torch.from_numpy(np.ascontiguousarray(volume.voxels.transpose(2, 1, 0)))
    depth, height, width = stack.shape
    padded = functional.pad(stack[None], (0, -width % stride, 0, -height % stride), mode="replicate")[0]
    mean = OverlapMean(depth, height, width)
    with kept_memory() if device.type == "cpu" else nullcontext():
        for start in range(0, depth, batch_size):
            positions = range(start, min(start + batch_size, depth))
            batch = torch.stack([padded[neighbours(position, depth)] for position in positions]).to(device)
            mean.add(start, translate(batch)[..., :height, :width].float().cpu())
    voxels = mean.result()
    return volume.with_voxels(voxels.clip(-1, 1, out=voxels), modality=to)
