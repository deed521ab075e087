"""Affine registration of a scan to the atlas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from cmda_core.errors import DataError
from cmda_core.schema import PluginConfig
from cmda_core.volumes import Volume
from cmda_core.volumes.geometry import Affine, Matrix
from cmda_crossmoda.config import Metric, RegistrationConfig, RegistrationStage
from cmda_crossmoda.itk import FLIP, affine_transform, itk_threads, matrix_of, placed_image, voxels_of
from cmda_crossmoda.quality import Quality, measure

PLAUSIBLE_SCALE = (0.67, 1.5)
"""Heads differ in length by less than this; an affine outside of it has lost its way."""

MEASURED_MM = 4.0
"""Resolution that finished alignments are measured at."""


class Registration(PluginConfig):
    """Where a scan lies relative to the atlas."""

    to_scan: Affine
    """RAS+ mm of the atlas to RAS+ mm of the scan."""

    similarity: float
    """What the optimiser ended with (mutual information in nats, or correlation)."""

    quality: Quality
    """Figures that can be compared with those of other cases."""

    rigid_only: bool = False
    """True if the affine stages went astray and the rigid result was kept."""

    retried: bool = False
    """True if other starts were tried as well."""


class Pair(NamedTuple):
    """The two images that are aligned, with directions that ITK accepts."""

    fixed: sitk.Image
    moving: sitk.Image
    fixed_to_scanner: Matrix
    moving_to_scanner: Matrix


class Alignment(NamedTuple):
    """What the stages have come to, as a transform of points of the atlas to points of the scan."""

    transform: sitk.Transform
    rigid: sitk.Transform
    similarity: float


def register(atlas: Volume, scan: Volume, metric: Metric, config: RegistrationConfig) -> Registration:
    """Align a scan with the atlas, beginning with the centres of their fields of view.

    Raises:
        DataError: If the two do not overlap, or the scan shows nothing.
    """
    try:
        with itk_threads(config.threads):
            pair = pair_of(atlas, scan, config)
            alignment = align(pair, used_stages(config), begin(centred(pair)), metric, config)
            return registration_from(pair, alignment)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise DataError(
            f"case {scan.case}: cannot be registered to the atlas {atlas.case} ({reason}). "
            "Look at both scans: do they show the same part of the head?"
        ) from error


def pair_of(atlas: Volume, scan: Volume, config: RegistrationConfig) -> Pair:
    """The images of the atlas and of a scan at the resolution of the finest stage.

    All coarser ones are averages of that, so that a scan is gone over in full only once.
    """
    fixed, fixed_to_scanner = placed_image(atlas.voxels, atlas.affine)
    moving, moving_to_scanner = placed_image(scan.voxels, scan.affine)
    pair = Pair(fixed, moving, fixed_to_scanner, moving_to_scanner)
    return reduced(pair, finest_of(config))


def finest_of(config: RegistrationConfig) -> float:
    """Resolution of the finest stage that is used, mm."""
    return min(stage.resolution_mm for stage in used_stages(config))


def reduced(pair: Pair, resolution_mm: float) -> Pair:
    """The same pair for stages that are not finer than a resolution in mm: they need not reduce it again."""
    return pair._replace(
        fixed=_bin_shrunk(pair.fixed, resolution_mm), moving=_bin_shrunk(pair.moving, resolution_mm)
    )


def centred(pair: Pair) -> sitk.Euler3DTransform:
    """The shift that brings the centres of the fields of view together."""
    # By geometry: the centre of mass misleads where one scan shows more of the neck than the other.
    return _centred(pair, sitk.CenteredTransformInitializerFilter.GEOMETRY)


def centred_by_mass(pair: Pair) -> sitk.Euler3DTransform:
    """The shift that brings the centres of mass together."""
    return _centred(pair, sitk.CenteredTransformInitializerFilter.MOMENTS)


def begin(transform: sitk.Transform) -> Alignment:
    """An alignment before the first stage."""
    return Alignment(transform, transform, 0.0)


def align(
    pair: Pair,
    stages: Sequence[RegistrationStage],
    start: Alignment,
    metric: Metric,
    config: RegistrationConfig,
) -> Alignment:
    """Run stages one after the other.

    Raises:
        RuntimeError: By ITK, if the images do not overlap or one of them shows nothing.
    """
    transform, rigid, similarity = start
    for stage in stages:
        transform, similarity = _run_stage(pair.fixed, pair.moving, transform, stage, metric, config)
        rigid = transform if stage.transform == "rigid" else rigid
    return Alignment(transform, rigid, similarity)


def registration_from(pair: Pair, alignment: Alignment) -> Registration:
    """Measure an alignment and express it in the scanner's millimetres."""
    astray = not _is_plausible(matrix_of(alignment.transform))
    transform = alignment.rigid if astray else alignment.transform
    matrix = FLIP @ matrix_of(transform) @ FLIP
    # The images may have been placed with repaired directions; the caller's millimetres are the scanner's.
    to_scan = pair.moving_to_scanner @ matrix @ np.linalg.inv(pair.fixed_to_scanner)
    return Registration.model_validate(
        {
            "to_scan": to_scan,
            "similarity": alignment.similarity,
            "quality": quality_of(pair, transform),
            "rigid_only": astray,
        }
    )


def quality_of(pair: Pair, transform: sitk.Transform, resolution_mm: float = MEASURED_MM) -> Quality:
    """Measure an alignment at a resolution in mm."""
    fixed, moving = (_bin_shrunk(image, resolution_mm) for image in (pair.fixed, pair.moving))
    return measure(fixed, moving, transform, matrix_of(transform))


def used_stages(config: RegistrationConfig) -> list[RegistrationStage]:
    """The stages that are not finer than asked for; at least the first one."""
    first, *others = config.stages
    return [first, *(stage for stage in others if stage.resolution_mm >= config.finest_mm)]


def shrunk(volume: Volume, resolution_mm: float) -> Volume:
    """Average blocks of voxels until their edges are about as long as asked for."""
    image, to_scanner = placed_image(volume.voxels, volume.affine)
    small = _bin_shrunk(image, resolution_mm)
    affine = np.eye(4)
    affine[:3, :3] = np.array(small.GetDirection()).reshape(3, 3) * np.array(small.GetSpacing())
    affine[:3, 3] = small.GetOrigin()
    placed = to_scanner @ FLIP @ affine
    # NIfTI stores 32-bit numbers: an atlas that was read from its file must be the same as this one.
    placed = placed.astype(np.float32).astype(np.float64)
    return Volume(voxels_of(small).astype(np.float32), placed, volume.modality, volume.case)


def _centred(pair: Pair, mode: int) -> sitk.Euler3DTransform:
    transform = sitk.CenteredTransformInitializer(pair.fixed, pair.moving, sitk.Euler3DTransform(), mode)
    return sitk.Euler3DTransform(transform)


def _run_stage(
    fixed: sitk.Image,
    moving: sitk.Image,
    start: sitk.Transform,
    stage: RegistrationStage,
    metric: Metric,
    config: RegistrationConfig,
) -> tuple[sitk.Transform, float]:
    transform = _start_of(stage, start)
    method = sitk.ImageRegistrationMethod()
    if metric == "correlation":
        method.SetMetricAsCorrelation()
    else:
        method.SetMetricAsMattesMutualInformation(numberOfHistogramBins=32)
    if stage.sampling < 1:
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(stage.sampling, 1)
    # With the gradients filtered the remaining error was a third larger.
    method.SetMetricUseFixedImageGradientFilter(False)
    method.SetMetricUseMovingImageGradientFilter(False)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=1.0,
        minStep=stage.minimum_step,
        numberOfIterations=config.iterations,
        relaxationFactor=0.5,
        gradientMagnitudeTolerance=1e-10,
        # Estimated once or never, one registration in three failed by centimetres.
        estimateLearningRate=method.EachIteration,
        maximumStepSizeInPhysicalUnits=stage.maximum_step_mm,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(_bin_shrunk(fixed, stage.resolution_mm), _bin_shrunk(moving, stage.resolution_mm))
    # ITK minimises: both metrics are negative similarities.
    return transform, -float(method.GetMetricValue())


def _start_of(stage: RegistrationStage, start: sitk.Transform) -> sitk.Transform:
    if stage.transform == "rigid":
        return sitk.Euler3DTransform(start)
    if start.GetName() == "AffineTransform":
        return sitk.AffineTransform(start)
    centre = sitk.Euler3DTransform(start).GetCenter()
    matrix = matrix_of(start)
    affine = affine_transform(matrix)
    affine.SetCenter(centre)
    # Moving the centre moves the points as well; the shift takes that back.
    affine.SetTranslation((matrix[:3, :3] @ centre + matrix[:3, 3] - centre).tolist())
    return affine


def _bin_shrunk(image: sitk.Image, resolution_mm: float) -> sitk.Image:
    factors = [
        max(1, min(round(resolution_mm / spacing), size // 8))
        for spacing, size in zip(image.GetSpacing(), image.GetSize(), strict=True)
    ]
    return image if factors == [1, 1, 1] else sitk.BinShrink(image, factors)


def _is_plausible(matrix: Matrix) -> bool:
    scales = np.linalg.svd(matrix[:3, :3], compute_uv=False)
    low, high = PLAUSIBLE_SCALE
    return bool(low < scales.min() and scales.max() < high)
