"""Every plugin that comes with cmda keeps its promises."""

from __future__ import annotations

import pytest
import torch

from cmda_core.registry import Registry
from cmda_core.testing import Check, checks_of

SLOW = {"nnunet"}
"""Trained so seldom that every day's tests can do without it."""

OFFERS = [offer for offers in Registry.installed().offers().values() for offer in offers.values()]


def parameters() -> list[object]:
    return [
        pytest.param(
            check, id=f"{offer.name}-{check}", marks=[pytest.mark.slow] if offer.name in SLOW else []
        )
        for offer in OFFERS
        for check in checks_of(offer)
    ]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("check", parameters())
def test_contract(check: Check) -> None:
    check()
