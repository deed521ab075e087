"""PatchNCE: a patch of the output shall be told from other patches of the same image by its input."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def random_places(features: Sequence[Tensor], count: int) -> list[Tensor]:
    """Different random places in each map, the same in all images of a batch.

    Draws on the CPU from the global generator of torch, whose state the training loop keeps.

    Args:
        features: Maps ``(N, C, H, W)`` of several layers.
        count: Places per map; all of them where a map has fewer.

    Returns:
        Numbers of pixels, counted along the rows.
    """
    return [torch.randperm(map_.shape[2:].numel())[:count].to(map_.device) for map_ in features]


def vectors_at(features: Tensor, places: Tensor) -> Tensor:
    """The features ``(N, C, H, W)`` at S places, ``(N, S, C)``."""
    return features.flatten(2)[..., places].transpose(1, 2)


def patch_nce(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Mean of ℓ(q, k⁺, k⁻) over the patches of each image (section 3).

    -log(exp(q·k⁺ / τ) / (exp(q·k⁺ / τ) + Σ exp(q·k⁻ / τ))), where k⁺ is the key of the same place and the
    k⁻ are those of the other places of the same image.

    Args:
        queries: Features of the output, ``(N, S, C)``; normalised here.
        keys: Features of the input at the same places, ``(N, S, C)``; normalised here.
        temperature: τ.

    Returns:
        A value for each image, ``(N,)``.
    """
    count, places, _ = queries.shape
    queries, keys = (functional.normalize(vectors, dim=2) for vectors in (queries, keys))
    likeness = queries @ keys.transpose(1, 2) / temperature
    same_place = torch.arange(places, device=queries.device).repeat(count)
    losses = functional.cross_entropy(likeness.flatten(0, 1), same_place, reduction="none")
    return losses.view(count, places).mean(dim=1)
