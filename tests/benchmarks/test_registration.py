"""Accuracy of the registration over many distortions; the numbers are in docs/benchmarks.md."""

from pathlib import Path

import numpy as np
import pytest

from .registration import FAILURE_MM, SETTINGS, measure, write_heads

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("heads")
    write_heads(folder)
    return folder


def test_fifty_known_affines_are_recovered(heads: Path) -> None:
    """Turns of up to 10 degrees, shifts of up to 20 mm, scales from 0.9 to 1.1, the other contrast."""
    errors = [trial.error_mm for trial in measure(heads, 50, 10.0, SETTINGS["default"])]

    assert np.mean(errors) < 1.0
    assert max(errors) < FAILURE_MM


def test_harder_starts_are_tried_again_and_no_failure_is_passed_on_in_silence(heads: Path) -> None:
    """With the coarse settings of the demo, which a turn of 30 degrees leads astray."""
    trials = measure(heads, 50, 30.0, SETTINGS["demo"])

    assert sum(trial.first_mm > FAILURE_MM for trial in trials) > 0
    assert np.mean([trial.error_mm for trial in trials]) < 1.0
    assert all(trial.flagged for trial in trials if trial.error_mm > FAILURE_MM)
