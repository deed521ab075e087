"""Settings of the preprocessor."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cmda_core.schema import PluginConfig

Metric = Literal["mutual-information", "correlation"]


class RegistrationStage(PluginConfig):
    """One level of the registration; each starts where the one before has ended."""

    transform: Literal["rigid", "affine"]
    """Rotation and shift, or also scale and shear."""

    resolution_mm: float = Field(gt=0)
    """Voxel edge that both images are averaged to, mm."""

    sampling: float = Field(gt=0, le=1)
    """Share of the voxels, on a regular lattice, that the metric is computed from."""

    maximum_step_mm: float = Field(gt=0)
    """Longest step of the optimiser, mm."""

    minimum_step: float = Field(gt=0)
    """The optimiser stops at steps shorter than this, relative to its learning rate."""


STAGES = (
    RegistrationStage(
        transform="rigid", resolution_mm=8.0, sampling=1.0, maximum_step_mm=8.0, minimum_step=1e-3
    ),
    RegistrationStage(
        transform="affine", resolution_mm=8.0, sampling=1.0, maximum_step_mm=4.0, minimum_step=1e-3
    ),
    RegistrationStage(
        transform="affine", resolution_mm=4.0, sampling=0.25, maximum_step_mm=2.0, minimum_step=1e-3
    ),
    RegistrationStage(
        transform="affine", resolution_mm=2.0, sampling=0.075, maximum_step_mm=1.0, minimum_step=5e-4
    ),
)


class RetryConfig(PluginConfig):
    """Other starts for scans whose alignment is doubtful."""

    turn_degrees: float = Field(default=20.0, gt=0, le=45)
    """Turn of a start about each axis and each diagonal, degrees."""

    half_turns: bool = True
    """Also begin with half a turn about each axis, as if the header named the wrong orientation."""

    followed: int = Field(default=3, ge=1)
    """Starts that are followed to the end: those whose first stage has led furthest."""


class TrustConfig(PluginConfig):
    """When an alignment is doubtful (it is tried again) or flagged (a person should look at it)."""

    retried_below: float = Field(default=2.0, gt=0)
    """Standard deviations below the median agreement of the training cases of its modality at which a scan
    is registered again from other starts."""

    flagged_below: float = Field(default=3.5, gt=0)
    """The same, at which a scan is flagged."""

    fewest_cases: int = Field(default=5, ge=3)
    """With fewer training cases of a modality their agreement is not compared."""

    smallest_overlap: float = Field(default=0.4, ge=0, le=1)
    """Share of the smaller field of view that must lie within the other one."""

    largest_turn_degrees: float = Field(default=35.0, gt=0, le=180)
    """Larger turns against the atlas are flagged, degrees."""

    largest_shift_mm: float = Field(default=80.0, gt=0)
    """Larger distances of the head from the middle of the field of view are flagged, mm."""

    smallest_scale: float = Field(default=0.75, gt=0, lt=1)
    """Smaller heads, relative to the atlas along any direction, are flagged."""

    largest_scale: float = Field(default=1.33, gt=1)
    """Larger heads, relative to the atlas along any direction, are flagged."""


class RegistrationConfig(PluginConfig):
    """Affine registration of every scan to the atlas."""

    across_modalities: Metric = "mutual-information"
    """Similarity of a source scan and the atlas (paper: mutual information)."""

    within_target: Metric = "mutual-information"
    """Similarity of a target scan and the atlas. The paper uses correlation, which left a larger
    registration error in our measurements (1.9 instead of 1.3 mm on a head with local deformation)."""

    stages: tuple[RegistrationStage, ...] = Field(default=STAGES, min_length=1)
    """From coarse to fine. The paper does not give its own. Twice the samples and shorter last steps took
    more than twice the time for 0.02 mm on phantom heads."""

    finest_mm: float = Field(default=2.0, gt=0)
    """Stages at a finer resolution than this are left out, mm. At 4, a registration takes half the time; its
    error on phantom heads was 0.6 instead of 0.1 mm, and 1.1 at most."""

    iterations: int = Field(default=100, ge=1)
    """Most steps of the optimiser per stage."""

    trust: TrustConfig = TrustConfig()
    """Which alignments are doubted and flagged."""

    retry: RetryConfig = RetryConfig()
    """What is done about doubtful ones."""

    threads: int = Field(default=1, ge=1)
    """Threads per registration. With more than one, the last digits differ from run to run."""


class IntensityConfig(PluginConfig):
    """Histogram matching within each modality, then scaling to [-1, 1]."""

    levels: int = Field(default=1024, ge=16)
    """Bins of the histograms (authors' code)."""

    match_points: int = Field(default=7, ge=1)
    """Quantiles that are brought to those of the reference (authors' code)."""

    range: Literal["percentile", "fixed"] = "percentile"
    """What becomes -1 and 1. ``fixed``: 0 and ``ceilings``, as in the authors' code, which suits their
    scanners' units only. ``percentile``: measured in the reference, whatever the units, and for the
    source modality raised where that would clip the labelled tumours."""

    percentile: float = Field(default=99.95, gt=50, le=100)
    """Share of the reference's voxels in percent that is not clipped at the top, for ``percentile``."""

    ceilings: dict[str, float] = Field(default={"ceT1": 2000.0, "hrT2": 1500.0})
    """Intensity that becomes 1 per modality, for ``fixed`` (authors' code)."""


class CrossmodaConfig(PluginConfig):
    """Preprocessing of the paper (Fig. 4)."""

    spacing_mm: tuple[float, float, float] = (0.4102, 0.4102, 1.0)
    """Voxel edges of the crops along I, J and K, mm (paper: 1 x 0.4102 x 0.4102, slices first)."""

    shape: tuple[int, int, int] = (256, 256, 80)
    """Voxels of the crops along I, J and K (paper: 80 x 256 x 256, slices first)."""

    atlas: str | None = None
    """Target case that all scans are registered to; left out, the one whose field of view is nearest to
    the median. (The authors took case 213 of the data of 2021.)"""

    references: dict[str, str] = Field(default={})
    """Case that the histograms of each modality are matched to; left out, the first one of its cohort
    (as in the authors' code)."""

    registration: RegistrationConfig = RegistrationConfig()
    """How scans are aligned with the atlas."""

    intensity: IntensityConfig = IntensityConfig()
    """How intensities are made comparable."""

    interpolation: Literal["bspline", "linear"] = "bspline"
    """Interpolation of images (authors' code: B-spline). Label maps of structures are interpolated
    linearly, one structure at a time; parcellations take the nearest voxel."""
