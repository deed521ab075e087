"""The benchmark file: what is compared, on which data, with which seeds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, Self, get_args

from pydantic import Field, model_validator

from cmda_core.schema.settings import PluginConfig

SegmentationMetric = Literal["dice", "assd_mm", "hd95_mm"]
GradingMetric = Literal["ma_mae", "mamse", "accuracy"]
TranslationMetric = Literal["ssim", "signal_error"]
GRADING_METRIC_NAMES: tuple[str, ...] = get_args(GradingMetric)
TRANSLATION_METRIC_NAMES: tuple[str, ...] = get_args(TranslationMetric)


class PhantomData(PluginConfig):
    """A phantom cohort that the benchmark makes for itself."""

    preset: Literal["demo", "standard", "full"] = "standard"
    """Size and scan protocols."""

    source: int | None = Field(default=None, ge=1)
    """Number of source cases; empty: the preset's."""

    target: int | None = Field(default=None, ge=1)
    """Number of target training cases."""

    test: int | None = Field(default=None, ge=1)
    """Number of target cases to be scored."""

    paired: bool = False
    """Scan the source cases in the target modality too, so that translations can be scored."""

    seed: int = Field(default=0, ge=0)
    """Of the cohort; the seeds of the benchmark are those of the trainings."""


class Entry(PluginConfig):
    """What is compared."""

    name: str = Field(min_length=1)
    """Shown in the tables."""

    training: Literal["method", "source-only", "oracle"] = "method"
    """What the segmenter learns from: ``method``: source and translated scans; ``source-only``: source
    scans alone, the lower bound; ``oracle``: target scans with their held-out labels, the upper bound."""

    settings: dict[str, Any] = Field(default_factory=dict)
    """Nested settings of an experiment, laid over those of the benchmark."""

    @property
    def slug(self) -> str:
        """Its name as that of a folder."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


class Scale(PluginConfig):
    """A size that the benchmark can be run at."""

    seeds: tuple[int, ...] | None = None
    """Replaces the seeds."""

    phantom: dict[str, Any] = Field(default_factory=dict)
    """Laid over ``phantom``."""

    settings: dict[str, Any] = Field(default_factory=dict)
    """Laid over the settings of every entry."""


class Benchmark(PluginConfig):
    """Several entries under one protocol."""

    name: str = "benchmark"
    """Shown above the tables."""

    base: str = "paper"
    """Experiment file (relative to the benchmark file) or preset that all entries start from."""

    phantom: PhantomData | None = None
    """Make this cohort and use it as data; empty: the data of the base."""

    settings: dict[str, Any] = Field(default_factory=dict)
    """Nested settings, laid over the base for all entries."""

    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    """Each entry is trained once with each of them."""

    metrics: tuple[SegmentationMetric | GradingMetric | TranslationMetric, ...] = Field(
        default=("dice", "assd_mm"), min_length=1
    )
    """What is compared. Graders are trained only if a metric of grades is among them, and segmenters only if
    one of segmentations or grades is."""

    baseline: str | None = None
    """Entry that the others are tested against; empty: no tests."""

    limit_minutes: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """A run that takes longer than this, in one attempt, is stopped and counts as failed; what it has done
    is kept. Each run then works in a process of its own, so that one that crashes does not stop the others.
    Empty: no limit."""

    entries: tuple[Entry, ...] = Field(min_length=1)
    """What is compared, in the order of the tables."""

    scales: dict[str, Scale] = Field(default_factory=dict)
    """Sizes by name."""

    scale: str | None = None
    """The size to run at; empty: as it stands."""

    @property
    def segments(self) -> bool:
        """Whether segmentations are scored."""
        others = {*GRADING_METRIC_NAMES, *TRANSLATION_METRIC_NAMES}
        return any(metric not in others for metric in self.metrics)

    @property
    def grades(self) -> bool:
        """Whether grades are scored."""
        return any(metric in GRADING_METRIC_NAMES for metric in self.metrics)

    @property
    def translates(self) -> bool:
        """Whether translations are scored."""
        return any(metric in TRANSLATION_METRIC_NAMES for metric in self.metrics)

    @model_validator(mode="after")
    def _check(self) -> Self:
        _require_unique("seeds", [str(seed) for seed in self.seeds])
        _require_unique("metrics", self.metrics)
        _require_unique("entries (by letters and digits of their names)", [one.slug for one in self.entries])
        if any(not entry.slug for entry in self.entries):
            raise ValueError("the name of an entry needs a letter (a to z) or a digit")
        names = [entry.name for entry in self.entries]
        if self.baseline is not None and self.baseline not in names:
            raise ValueError(f"baseline must be one of the entries: {', '.join(names)}")
        if self.scale is not None and self.scale not in self.scales:
            raise ValueError(f"scale must be one of: {', '.join(self.scales) or 'none is defined'}")
        special = [entry.name for entry in self.entries if entry.training != "method"]
        if special and self.grades:
            raise ValueError(
                f"{special[0]} is an entry of segmentation alone: compare grades in a benchmark of their own"
            )
        if special and not self.segments:
            raise ValueError(f"{special[0]} translates nothing: leave it out, or compare segmentations too")
        return self


def _require_unique(what: str, values: Sequence[str]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{what}: {value!r} is there twice")
