"""What processes do that a launcher has started to share a training, before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cmda_core import processes


def take_place() -> None:
    """Take the place that a launcher has given to this process, if one has; a follower does not come back."""
    processes.take_place(_follow)


def _follow(message: Mapping[str, Any], place: processes.Place) -> None:
    from cmda_core.pipeline.stages.distribute import follow_stage

    follow_stage(message, place)
