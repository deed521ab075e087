"""What a plugin must offer, kind by kind.

A plugin need not inherit from these classes: having the methods is enough. Everything that is
fitted can be saved to a folder and restored by the ``load`` of its offer.

Prepared images, which is what translators, segmenters and graders see, have intensities in
[-1, 1] and an axial grid in LPS order: I runs to the left, J to the back, K to the head. A file of
one is an uncompressed NIfTI from which `cmda_core.volumes.open_slices` reads single slices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cmda_core.errors import HeldOutError
from cmda_core.schema import Case, Cohort, Pose, Task
from cmda_core.volumes import LabelVolume, Volume

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cmda_core.run import Run

CropName = Literal["affined", "unaffined"]
"""``affined``: warped onto the atlas. ``unaffined``: the same region, cut from the scan as it lies."""


@dataclass(frozen=True, slots=True)
class Crop:
    """The region of interest of one scan, ready for a network.

    Attributes:
        image: Intensities in [-1, 1].
        pose: The way back to the scan's own grid.
        labels: On the grid of ``image``, if the case has labels.
        parcellation: On the grid of ``image``, if the case has one.
    """

    image: Volume
    pose: Pose
    labels: LabelVolume | None = None
    parcellation: LabelVolume | None = None


@dataclass(frozen=True, slots=True)
class PreparedCase:
    """What a preprocessor makes of one scan.

    Attributes:
        case: Identifier of the case.
        crops: Both crops, on grids of the same size.
        quality: Figures that tell how far to trust it, for instance the metric of the registration;
            comparable over the cases of one modality.
        concerns: What a person should look at before the results of this case are trusted, one
            sentence each without a full stop; empty for a case like the others.
    """

    case: str
    crops: Mapping[CropName, Crop]
    quality: Mapping[str, float]
    concerns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TranslationData:
    """Unpaired prepared cohorts: no subject is in both.

    Attributes:
        source: Source modality with labels and, where the dataset has them, parcellations.
        target: Target modality, images alone.

    Raises:
        HeldOutError: If a target case carries labels or a grade.
    """

    source: Cohort
    target: Cohort

    def __post_init__(self) -> None:
        self.target.require_images_alone()


@dataclass(frozen=True, slots=True)
class SegmentationData:
    """Labelled prepared cases of both modalities, pooled and not paired.

    Attributes:
        cases: Real source scans and the target scans translated from them; in self-training also real
            target scans with pseudo-labels. Two cases with the same ``subject`` belong into the same fold.
        ignore: Label of voxels of which nothing is known, so that nothing may be learnt from them: one
            more than the task's highest. Only offers that declare ``ignores_voxels`` get one.
    """

    cases: Cohort
    ignore: int | None = None


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Labels and how sure the segmenter is.

    Attributes:
        labels: On the grid of the image.
        probabilities: Float32, shape ``(1 + structures, I, J, K)``, summing to 1 over the first
            axis; index 0 is background, index ``n`` the structure with label ``n``.
    """

    labels: LabelVolume
    probabilities: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class GradingInput:
    """One subject in both modalities, one real and one translated, on one grid.

    Attributes:
        case: Identifier of the real scan.
        images: The prepared image of each modality.
        mask: Labels of the structures, on the grid of the images.
        real: Modality of the real scan.
    """

    case: str
    images: Mapping[str, Volume]
    mask: LabelVolume
    real: str


@dataclass(frozen=True, slots=True)
class GradingCase:
    """A subject as graders are trained on it: files, so that a cohort need not fit into memory.

    Attributes:
        case: Identifier of the real scan.
        subject: Whose scan it is.
        images: File of the prepared image of each modality.
        mask: File of the labels of the structures.
        real: Modality of the real scan.
        grade: Koos grade 1 to 4; empty for subjects without one.
    """

    case: str
    subject: str
    images: Mapping[str, Path]
    mask: Path
    real: str
    grade: int | None


@dataclass(frozen=True, slots=True)
class GradingData:
    """Subjects in both modalities.

    Attributes:
        annotated: Subjects with a grade (real source, translated target).
        unannotated: Subjects without one (real target, translated source).
        encoder: The shared encoder of the run's translator, if the grader's offer asks for one.

    Raises:
        HeldOutError: If an unannotated case carries a grade.
    """

    annotated: tuple[GradingCase, ...]
    unannotated: tuple[GradingCase, ...]
    encoder: SharedEncoder | None = None

    def __post_init__(self) -> None:
        for case in self.unannotated:
            if case.grade is not None:
                raise HeldOutError(f"case {case.case}: is unannotated, and carries a grade.")


@dataclass(frozen=True, slots=True)
class KoosPrediction:
    """The Koos grade of one case.

    Attributes:
        case: Identifier of the case.
        grade: 1 to 4.
        probabilities: Of grade 1 to 4, summing to 1.
    """

    case: str
    grade: int
    probabilities: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class PreparationData:
    """The training cohorts as they were acquired.

    Attributes:
        source: Source modality, with labels.
        target: Target modality, images alone.

    Raises:
        HeldOutError: If a target case carries labels or a grade.
    """

    source: Cohort
    target: Cohort

    def __post_init__(self) -> None:
        self.target.require_images_alone()


@runtime_checkable
class Preprocessor(Protocol):
    """Brings scans of any grid and intensity scale onto common ones, and labels back."""

    def fit(self, data: PreparationData, run: Run) -> None:
        """Choose what is common to all cases (atlas, histogram references, region of interest).

        Raises:
            DataError: If a scan cannot be read, or no label shows where the region should be.
        """
        ...

    def prepare(self, case: Case) -> PreparedCase:
        """Prepare one scan.

        Args:
            case: A scan of either modality, on any grid.

        Raises:
            NotTrainedError: Before ``fit`` or ``load``.
            DataError: If the scan cannot be read or registered.
        """
        ...

    def restore(self, segmentation: Segmentation, pose: Pose) -> LabelVolume:
        """Bring a segmentation of a crop back onto the grid of the scan.

        Args:
            segmentation: On the grid of a crop.
            pose: That crop's pose.

        Returns:
            Labels with exactly the shape and affine of ``pose.native``.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write all that ``load`` needs into a folder; it is made if it is missing."""
        ...


@runtime_checkable
class Translator(Protocol):
    """Renders a scan as if it had been acquired with the other modality; anatomy and grid stay."""

    def fit(self, data: TranslationData, run: Run) -> None:
        """Learn both directions from unpaired prepared cohorts.

        Interrupted and called again with the same run, it goes on from its last checkpoint.
        """
        ...

    def translate(self, volume: Volume, to: str) -> Volume:
        """Translate one prepared image.

        Args:
            volume: Intensities in [-1, 1]. Its size need not divide by anything.
            to: Modality to render; the other one of the task.

        Returns:
            Float32 in [-1, 1] on the grid of ``volume``, with ``to`` as its modality.

        Raises:
            NotTrainedError: Before ``fit`` or ``load``.
            ModalityError: If ``volume`` cannot be translated to ``to``.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write all that ``load`` needs into a folder; it is made if it is missing."""
        ...


@runtime_checkable
class SharedEncoder(Protocol):
    """Capability of a translator: one encoder maps both modalities to a common representation."""

    @property
    def feature_channels(self) -> int:
        """Channels C of the features."""
        ...

    @property
    def feature_stride(self) -> int:
        """Pixels of the image per pixel of the features, along both axes."""
        ...

    def encode(self, slices: Tensor) -> Tensor:
        """Features of a batch of 2.5D inputs, without gradients.

        Args:
            slices: ``(N, 3, H, W)``, intensities in [-1, 1], on any device; H and W divide by the
                stride.

        Returns:
            ``(N, C, H / stride, W / stride)``, on the device of the encoder.
        """
        ...

    def copy_encoder(self) -> nn.Module:
        """A trainable copy of the encoder with the same weights and the same input and output."""
        ...


@runtime_checkable
class Segmenter(Protocol):
    """Labels the structures of the task in scans of either modality."""

    def fit(self, data: SegmentationData, run: Run) -> None:
        """Learn from labelled prepared cases.

        Interrupted and called again with the same run, it goes on from its last checkpoint.
        """
        ...

    def segment(self, volume: Volume) -> Segmentation:
        """Label one prepared image of either modality.

        Raises:
            NotTrainedError: Before ``fit`` or ``load``.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write all that ``load`` needs into a folder; it is made if it is missing."""
        ...


@runtime_checkable
class Grader(Protocol):
    """Predicts the Koos grade from images and mask."""

    def fit(self, data: GradingData, run: Run) -> None:
        """Learn from graded and ungraded subjects.

        Raises:
            DataError: If the annotated cases have fewer than two different grades. A grade that none
                of them has is never predicted.
        """
        ...

    def grade(self, subject: GradingInput) -> KoosPrediction:
        """Grade one subject.

        Raises:
            NotTrainedError: Before ``fit`` or ``load``.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write all that ``load`` needs into a folder; it is made if it is missing."""
        ...


__all__ = [
    "Crop",
    "CropName",
    "Grader",
    "GradingCase",
    "GradingData",
    "GradingInput",
    "KoosPrediction",
    "PreparationData",
    "PreparedCase",
    "Preprocessor",
    "Segmentation",
    "SegmentationData",
    "Segmenter",
    "SharedEncoder",
    "Task",
    "TranslationData",
    "Translator",
]
