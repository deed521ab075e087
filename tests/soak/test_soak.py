"""What the soak calls growth; and a short one."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

SCRIPT = Path(__file__).parent / "soak.py"


@pytest.fixture(scope="module")
def soak() -> ModuleType:
    spec = importlib.util.spec_from_file_location("soak", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["soak"] = importlib.util.module_from_spec(spec)  # dataclasses look it up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def samples(soak: ModuleType) -> list[Any]:
    """An hour: memory rises while caches fill, then jitters; a checkpoint is being written now and then."""
    draw = np.random.default_rng(2)
    return [
        soak.Sample(
            seconds=6.0 * n,
            steps=10 * n,
            memory_mb=700 + min(n, 60) + draw.normal(0, 3),
            handles=40,
            threads=3,
            children=0,
            files=12 + (n % 30 == 0),
        )
        for n in range(600)
    ]


def test_jitter_is_no_growth(soak: ModuleType, samples: list[Any]) -> None:
    verdict = soak.judge(samples)
    assert verdict["grows"] == []
    assert abs(verdict["memory_mb_per_hour"]) < 2


@pytest.mark.parametrize(
    ("key", "every"), [("memory_mb", 5), ("handles", 200), ("threads", 100), ("children", 100), ("files", 30)]
)
def test_what_grows_is_named(soak: ModuleType, samples: list[Any], key: str, every: int) -> None:
    leaking = [replace(one, **{key: getattr(one, key) + n // every}) for n, one in enumerate(samples)]
    assert soak.judge(leaking)["grows"] == [key.removesuffix("_mb")]


@pytest.mark.slow
def test_a_minute_of_training() -> None:
    done = subprocess.run(  # noqa: S603
        [sys.executable, SCRIPT, "--minutes", "1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
