"""Samples that are loaded ahead."""

from __future__ import annotations

import threading

import pytest

from cmda_core.training.prefetch import Prefetched


def test_the_next_sample_is_loaded_in_a_thread_of_its_own() -> None:
    asked: list[tuple[int, str]] = []

    def load(step: int) -> int:
        asked.append((step, threading.current_thread().name))
        return 10 * step

    with Prefetched(load) as samples:
        assert [samples.sample(step) for step in (3, 4, 5, 9)] == [30, 40, 50, 90]
    assert [name.startswith("samples") for step, name in asked if step in (3, 4, 5)] == [False, True, True]


def test_what_goes_wrong_while_loading_is_told_at_its_step() -> None:
    def load(step: int) -> int:
        if step == 1:
            raise ValueError("broken file")
        return step

    with Prefetched(load) as samples:
        assert samples.sample(0) == 0
        with pytest.raises(ValueError, match="broken file"):
            samples.sample(1)
