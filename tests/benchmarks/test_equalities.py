"""What the benchmarks compare gives the same numbers; how long it takes is no test's business."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from torch import Tensor

from .metrics import CASES, largest_gap, pair
from .msfnet_cases import AUTHORS, COMMON, Ours, Size, batches, reference
from .msfnet_step import largest_gap as largest_gap_of_losses

TINY = COMMON | {
    "channels": 4,
    "residual_blocks": 2,
    "discriminator_channels": 4,
    "discriminator_layers": 2,
    "gif_classes": 12,
}


@pytest.mark.parametrize("losses", [{}, AUTHORS], ids=["paper", "authors"])
def test_our_step_has_the_losses_of_the_published_one(losses: dict[str, Any]) -> None:
    size = Size(TINY | losses, (64, 48))
    with Ours(size) as ours:
        found = _values(ours(*batches(size)))
    assert largest_gap_of_losses(found, _values(reference(size)(*batches(size)))) < 1e-4


def _values(losses: Mapping[str, Tensor]) -> dict[str, float]:
    return {name: float(loss.detach()) for name, loss in losses.items()}


@pytest.mark.parametrize("structures", CASES.values(), ids=list(CASES))
def test_our_metrics_are_those_of_both_versions_of_medpy(structures: tuple[str, ...]) -> None:
    assert largest_gap(*pair((96, 88, 48), structures), structures) < 1e-9
