"""Memory that the process keeps, and gives back."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from cmda_core.training.memory import kept_memory


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives memory back at once")
def test_freed_memory_is_kept_and_given_back_at_the_end() -> None:
    size = 256 * 2**20

    def held() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    with kept_memory():
        torch.ones(size, dtype=torch.uint8)
        inside = held()
    assert inside - held() > 0.9 * size
