"""The promises of a preprocessor."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.stats import spearmanr

from cmda_core.errors import DataError
from cmda_core.protocols import Crop, PreparationData, PreparedCase, Segmentation
from cmda_core.schema import Case
from cmda_core.testing.check import BrokenPromiseError, Rule, expect
from cmda_core.testing.heads import preparation_data, write_constant, write_head
from cmda_core.testing.rules.declaration import DECLARATION
from cmda_core.testing.rules.images import expect_finite_float32, expect_prepared_range
from cmda_core.testing.rules.training import TRAINING, reads_no_target_labels
from cmda_core.testing.subject import Answers, Subject
from cmda_core.volumes import read_labels, read_volume
from cmda_core.volumes.geometry import Matrix, to_mm

CROPS = ("affined", "unaffined")

_LIKENESS = 0.8
"""Smallest rank correlation of a crop with the scan at the same millimetres."""

_LANDMARK_SHARE = 1.0
"""How far the middle of the tumour may move, as a share of the longest voxel edge."""


class PreprocessorSubject(Subject):
    """A preprocessor under check."""

    methods = {"fit": 2, "prepare": 1, "restore": 2, "save": 1}  # noqa: RUF012  # a constant

    def make_data(self, folder: Path) -> PreparationData:
        """Whole heads, as they are acquired."""
        return preparation_data(folder, self.task)

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """Heads that were not in the training: turned, flipped, and with thick slices."""
        folder = self.work / "cases"
        folder.mkdir(exist_ok=True)
        thick = {"spacing": (2.6, 2.6, 7.0), "shape": (60, 62, 18)}
        source, target = self.task.modalities
        return (
            write_head(folder, self.task, source, "turned", 7, shift_mm=4, flip=True),
            write_head(folder, self.task, target, "thick", -4, **thick),  # type: ignore[arg-type]
        )

    @cached_property
    def prepared(self) -> list[tuple[Case, PreparedCase]]:
        """The same, prepared."""
        return [(case, self.prepare(self.model, case)) for case in self.cases]

    def infer(self, model: object) -> PreparedCase:
        """One prepared scan."""
        return self.prepare(model, self.cases[0])

    def prepare(self, model: object, case: Case) -> PreparedCase:
        """A scan, prepared."""
        found = model.prepare(case)  # type: ignore[attr-defined]
        expect(
            isinstance(found, PreparedCase),
            f"prepare() returned a {type(found).__name__}.",
            "Return cmda_core.protocols.PreparedCase.",
        )
        prepared: PreparedCase = found
        return prepared

    def answers(self, model: object) -> Answers:
        """Crops and poses of both cases."""
        found = {}
        for case in self.cases:
            for name, crop in self.prepare(model, case).crops.items():
                found[f"the {name} crop of {case.id}"] = crop.image.voxels
                found[f"the pose of the {name} crop of {case.id}"] = np.array(crop.pose.to_native)
        return found

    def crops(self) -> Iterator[tuple[Case, str, Crop]]:
        """Every crop of every case."""
        for case, prepared in self.prepared:
            for name, crop in prepared.crops.items():
                yield case, name, crop


def cuts_both_crops(subject: PreprocessorSubject) -> None:
    """A case has an affined and an unaffined crop, all of the same size, of its modality and name."""
    shapes = {crop.image.voxels.shape for _, _, crop in subject.crops()}
    for case, prepared in subject.prepared:
        expect(
            set(prepared.crops) == set(CROPS) and prepared.case == case.id,
            f"{case.id}: case {prepared.case} with the crops {', '.join(prepared.crops)}.",
            f"Return {' and '.join(CROPS)}; they may be the same.",
        )
        modalities = {crop.image.modality for crop in prepared.crops.values()}
        expect(modalities == {case.modality}, f"{case.id}: became {modalities}.", "Keep the modality.")
    expect(len(shapes) == 1, f"Crops of shapes {sorted(shapes)}.", "Cut the same number of voxels always.")


def crops_are_axial(subject: PreprocessorSubject) -> None:
    """A crop has an axial grid: I runs to the left, J to the back, K to the head."""
    for case, name, crop in subject.crops():
        axes = crop.image.affine[:3, :3]
        diagonal = np.diag(axes)
        straight = np.allclose(axes, np.diag(diagonal), atol=1e-6)
        expect(
            straight and bool((np.sign(diagonal) == (-1, -1, 1)).all()),
            f"{case.id}, {name}: the axes are {axes.round(3).tolist()}.",
            "Resample onto an axial LPS grid.",
        )


def crops_are_in_range(subject: PreprocessorSubject) -> None:
    """A crop is float32 in [-1, 1], without NaN, and uses that range."""
    for case, name, crop in subject.crops():
        where = f"{case.id}, {name}"
        expect_finite_float32(crop.image.voxels, where)
        expect_prepared_range(crop.image.voxels, where)
        spread = float(np.ptp(crop.image.voxels))
        expect(spread > 0.5, f"{where}: intensities spread over {spread:.2f}.", "Scale them to [-1, 1].")


def labels_lie_on_the_crop(subject: PreprocessorSubject) -> None:
    """Labels are uint8 on the grid of their crop, with the labels of the task."""
    known = {0, *subject.task.structures.values()}
    for case, name, crop in subject.crops():
        labels = crop.labels
        if labels is None:
            raise BrokenPromiseError(f"{case.id}, {name}: no labels.", "Bring the labels of a case along.")
        expect(
            labels.grid == crop.image.grid and labels.voxels.dtype == np.uint8,
            f"{case.id}, {name}: {labels.voxels.dtype} labels of shape {labels.voxels.shape}.",
            "Use crop.image.with_labels(voxels).",
        )
        found = set(np.unique(labels.voxels).tolist())
        expect(found <= known, f"{case.id}, {name}: labels {sorted(found - known)}.", "Do not interpolate.")


def landmarks_stay_in_place(subject: PreprocessorSubject) -> None:
    """Voxels and affine change together: by its pose, a crop's tumour lies where the scan's does, in mm."""
    for case, name, crop in subject.crops():
        native = read_labels(case.labels) if case.labels else None
        if native is None or crop.labels is None:
            continue
        tumour = subject.task.tumour_label
        shown = bool((crop.labels.voxels == tumour).any())
        expect(shown, f"{case.id}, {name}: the tumour is outside.", "Place the region around the structures.")
        own = _middle(crop.labels.voxels, tumour, crop.image.affine)
        there = _middle(native.voxels, tumour, native.affine)
        moved = to_mm(np.array(crop.pose.to_native), own)
        away = float(np.linalg.norm(moved - there))
        edge = _LANDMARK_SHARE * max(*native.spacing, *crop.image.spacing)
        expect(
            away <= edge,
            f"{case.id}, {name}: the tumour moved by {away:.1f} mm.",
            "to_native maps mm of the crop to mm of the scan; check its direction and the affine.",
        )


def images_stay_in_place(subject: PreprocessorSubject) -> None:
    """By its pose, a crop shows what the scan shows at the same millimetres, rank for rank."""
    for case, name, crop in subject.crops():
        scan = read_volume(case.image, case.modality)
        indices = np.moveaxis(np.indices(crop.image.voxels.shape), 0, -1)[::2, ::2, ::2]
        mm = to_mm(np.array(crop.pose.to_native), to_mm(crop.image.affine, indices.astype(np.float64)))
        to_index = np.linalg.inv(scan.affine).astype(np.float64)
        places = to_mm(to_index, mm)
        inside = ((places >= 0) & (places <= np.array(scan.voxels.shape) - 1)).all(axis=-1)
        there = map_coordinates(scan.voxels, places[inside].T, order=1)
        here = crop.image.voxels[::2, ::2, ::2][inside]
        likeness = float(spearmanr(here, there).statistic) if inside.sum() > 9 and np.ptp(here) else 0.0
        expect(
            likeness >= _LIKENESS,
            f"{case.id}, {name}: correlates by {likeness:.2f} with the scan.",
            "to_native maps mm of the crop to mm of the scan; check the order of axes.",
        )


def restores_the_native_grid(subject: PreprocessorSubject) -> None:
    """`restore` returns uint8 labels of exactly the scan's shape and affine, with the tumour in place."""
    tumour = subject.task.tumour_label
    for case, name, crop in subject.crops():
        native = read_labels(case.labels) if case.labels else None
        if native is None or crop.labels is None:
            continue
        restored = subject.model.restore(_one_hot(subject, crop), crop.pose)
        expect(
            restored.voxels.shape == native.voxels.shape
            and np.array_equal(restored.affine, native.affine)
            and restored.voxels.dtype == np.uint8,
            f"{case.id}, {name}: {restored.voxels.dtype} labels of shape {restored.voxels.shape}.",
            "Return uint8 with exactly shape and affine of pose.native.",
        )
        ours, theirs = restored.voxels == tumour, native.voxels == tumour
        dice = 2 * float((ours & theirs).sum()) / max(1.0, float(ours.sum() + theirs.sum()))
        expect(
            dice > 0.6,
            f"{case.id}, {name}: the restored tumour overlaps with a Dice of {dice:.2f}.",
            "Resample by the inverse of to_native.",
        )


def restores_an_empty_segmentation(subject: PreprocessorSubject) -> None:
    """A segmentation without any structure is restored as background alone."""
    for case, name, crop in subject.crops():
        nothing = crop.image.with_labels(np.zeros(crop.image.voxels.shape, np.uint8))
        empty = _one_hot(subject, Crop(crop.image, crop.pose, nothing))
        found = int(subject.model.restore(empty, crop.pose).voxels.sum())
        expect(not found, f"{case.id}, {name}: labels appeared.", "Outside of a crop there is background.")


def prepares_unusual_scans_or_says_why(subject: PreprocessorSubject) -> None:
    """A constant scan and one of a single slice are prepared, or refused by a DataError."""
    folder = subject.work / "unusual"
    folder.mkdir(exist_ok=True)
    source, target = subject.task.modalities
    cases = (
        write_constant(folder, target),
        write_constant(folder, target, (50, 50, 1)),
        write_head(folder, subject.task, source, "slice", shape=(52, 50, 1)),
    )
    for case in cases:
        try:
            prepared = subject.prepare(subject.model, case)
        except DataError:
            continue
        for name, crop in prepared.crops.items():
            expect_finite_float32(crop.image.voxels, f"{case.id}, {name}")
            expect_prepared_range(crop.image.voxels, f"{case.id}, {name}")


def refuses_another_modality(subject: PreprocessorSubject) -> None:
    """A scan of a modality that is not of the task is a DataError."""
    case = subject.cases[0].model_copy(update={"modality": "FLAIR"})
    try:
        subject.model.prepare(case)
    except DataError:
        return
    raise BrokenPromiseError("It prepared a FLAIR scan.", "Raise cmda_core.errors.ModalityError.")


def works_in_another_process(subject: PreprocessorSubject) -> None:
    """Fitted, it can be sent to another process, where cases are prepared side by side."""
    copied = pickle.loads(pickle.dumps(subject.model))  # noqa: S301  # as joblib does, of our own making
    subject.prepare(copied, subject.cases[0])


def _middle(labels: NDArray[np.uint8], label: int, affine: Matrix) -> Matrix:
    indices = np.argwhere(labels == label).astype(np.float64)
    middle: Matrix = indices.mean(axis=0)
    return to_mm(affine, middle)


def _one_hot(subject: PreprocessorSubject, crop: Crop) -> Segmentation:
    labels = crop.labels or crop.image.with_labels(np.zeros(crop.image.voxels.shape, np.uint8))
    count = 1 + len(subject.task.structures)
    shares = np.stack([labels.voxels == label for label in range(count)]).astype(np.float32)
    return Segmentation(labels, shares)


PREPROCESSOR: tuple[Rule, ...] = (
    *DECLARATION,
    *TRAINING,
    reads_no_target_labels,
    cuts_both_crops,
    crops_are_axial,
    crops_are_in_range,
    labels_lie_on_the_crop,
    landmarks_stay_in_place,
    images_stay_in_place,
    restores_the_native_grid,
    restores_an_empty_segmentation,
    prepares_unusual_scans_or_says_why,
    refuses_another_modality,
    works_in_another_process,
)
