"""The promises of a segmenter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmda_core.protocols import Segmentation, SegmentationData
from cmda_core.testing.check import Rule, expect
from cmda_core.testing.cohorts import segmentation_data
from cmda_core.testing.phantoms import GRIDS, constant, phantom
from cmda_core.testing.rules.declaration import DECLARATION
from cmda_core.testing.rules.images import expect_finite_float32, expect_same_place, expect_untouched
from cmda_core.testing.rules.training import TRAINING, works_on_the_accelerator
from cmda_core.testing.subject import Answers, Subject
from cmda_core.volumes import Volume

_TIE = 1e-3
"""Probabilities that differ by less may belong to either label."""


class SegmenterSubject(Subject):
    """A segmenter under check."""

    methods = {"fit": 2, "segment": 1, "save": 1}  # noqa: RUF012  # a constant

    def make_data(self, folder: Path) -> SegmentationData:
        """Labelled cases of both modalities."""
        return segmentation_data(folder, self.task)

    def image(self, modality: str, grid: str = "oblique") -> Volume:
        """A prepared image that was not in the training."""
        return phantom(self.task, modality, seed=50, grid=GRIDS[grid])[0]

    def infer(self, model: object) -> Segmentation:
        """One segmentation of a target image."""
        return self.segment(model, self.image(self.task.target))

    def segment(self, model: object, image: Volume) -> Segmentation:
        """Labels of an image."""
        found = model.segment(image)  # type: ignore[attr-defined]
        expect(
            isinstance(found, Segmentation),
            f"segment() returned a {type(found).__name__}.",
            "Return cmda_core.protocols.Segmentation.",
        )
        segmentation: Segmentation = found
        return segmentation

    def answers(self, model: object) -> Answers:
        """Labels and probabilities of both modalities."""
        found: dict[str, NDArray[Any]] = {}
        for modality in self.task.modalities:
            segmentation = self.segment(model, self.image(modality))
            found[f"the labels of {modality}"] = segmentation.labels.voxels
            found[f"the probabilities of {modality}"] = segmentation.probabilities
        return found

    def found(self, grid: str = "oblique") -> list[tuple[Volume, Segmentation]]:
        """Images of both modalities with their segmentations."""
        images = [self.image(modality, grid) for modality in self.task.modalities]
        return [(image, self.segment(self.model, image)) for image in images]


def keeps_the_grid(subject: SegmenterSubject) -> None:
    """Labels have the shape and the affine of their image, also if that lies oblique."""
    for image, segmentation in subject.found():
        expect_same_place(segmentation.labels, image)


def labels_are_of_the_task(subject: SegmenterSubject) -> None:
    """Labels are whole numbers of type uint8 that the task names, or background."""
    for image, segmentation in subject.found():
        _expect_labels(subject, image, segmentation)


def probabilities_sum_to_one(subject: SegmenterSubject) -> None:
    """There is a float32 probability of background and of each structure; they sum to 1."""
    for image, segmentation in subject.found():
        _expect_probabilities(subject, image, segmentation)


def labels_follow_the_probabilities(subject: SegmenterSubject) -> None:
    """Each voxel has the label of its highest probability."""
    for image, segmentation in subject.found():
        shares, labels = segmentation.probabilities, segmentation.labels.voxels
        own = np.take_along_axis(shares, labels[None].astype(np.int64), axis=0)[0]
        wrong = int((own < shares.max(axis=0) - _TIE).sum())
        expect(
            not wrong,
            f"{image.case}: {wrong} voxels have another label than that of the highest probability.",
            "Whatever changes the labels afterwards must change the probabilities with them.",
        )


def leaves_its_input_alone(subject: SegmenterSubject) -> None:
    """`segment` does not write into the image that it is given."""
    image = subject.image(subject.task.target)
    before = image.voxels.copy()
    subject.segment(subject.model, image)
    expect_untouched(before, image.voxels, "the image")


def segments_one_slice(subject: SegmenterSubject) -> None:
    """An image of a single slice is segmented like any other."""
    _expect_whole(subject, "one slice")


def segments_odd_sizes(subject: SegmenterSubject) -> None:
    """An image whose sizes divide by nothing is segmented like any other."""
    _expect_whole(subject, "odd sizes")


def segments_anisotropic_voxels(subject: SegmenterSubject) -> None:
    """An image with very unequal voxel edges is segmented like any other."""
    _expect_whole(subject, "anisotropic")


def segments_empty_images(subject: SegmenterSubject) -> None:
    """An image that shows nothing is segmented, be it as background alone."""
    for value in (-1.0, 0.25):
        image = constant(subject.task.target, value)
        expect_sound(subject, image, subject.segment(subject.model, image))


def _expect_whole(subject: SegmenterSubject, grid: str) -> None:
    for image, segmentation in subject.found(grid):
        expect_sound(subject, image, segmentation)


def expect_sound(subject: SegmenterSubject, image: Volume, segmentation: Segmentation) -> None:
    """Expect labels and probabilities of the task, on the grid of the image."""
    expect_same_place(segmentation.labels, image)
    _expect_labels(subject, image, segmentation)
    _expect_probabilities(subject, image, segmentation)


def _expect_labels(subject: SegmenterSubject, image: Volume, segmentation: Segmentation) -> None:
    labels = segmentation.labels.voxels
    expect(labels.dtype == np.uint8, f"{image.case}: labels are {labels.dtype}.", "Return uint8 labels.")
    unknown = sorted(set(np.unique(labels).tolist()) - {0, *subject.task.structures.values()})
    expect(
        not unknown,
        f"{image.case}: labels {unknown}.",
        f"The task has {subject.task.structures}; 0 is background.",
    )


def _expect_probabilities(subject: SegmenterSubject, image: Volume, segmentation: Segmentation) -> None:
    shares = segmentation.probabilities
    wanted = (1 + len(subject.task.structures), *image.voxels.shape)
    expect(
        shares.shape == wanted,
        f"{image.case}: probabilities of shape {shares.shape}.",
        f"Return {wanted}: background first, then label 1 and so on.",
    )
    expect_finite_float32(shares, image.case)
    expect(float(shares.min()) >= 0, f"{image.case}: a probability is {shares.min():.3g}.", "Use a softmax.")
    away = float(np.abs(shares.sum(axis=0) - 1).max())
    expect(away <= _TIE, f"{image.case}: probabilities sum to 1 ± {away:.3g}.", "Divide them by their sum.")


_OWN: tuple[Rule, ...] = (
    keeps_the_grid,
    labels_are_of_the_task,
    probabilities_sum_to_one,
    labels_follow_the_probabilities,
    leaves_its_input_alone,
    segments_one_slice,
    segments_odd_sizes,
    segments_anisotropic_voxels,
    segments_empty_images,
)

SEGMENTER: tuple[Rule, ...] = (*DECLARATION, *TRAINING, *_OWN, works_on_the_accelerator)
