"""The promises of a translator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cmda_core.errors import ModalityError
from cmda_core.protocols import TranslationData
from cmda_core.testing.check import BrokenPromiseError, Rule, expect
from cmda_core.testing.cohorts import translation_data
from cmda_core.testing.phantoms import GRIDS, constant, phantom
from cmda_core.testing.rules.capabilities import SHARED_ENCODER
from cmda_core.testing.rules.declaration import DECLARATION
from cmda_core.testing.rules.images import (
    expect_finite_float32,
    expect_prepared_range,
    expect_same_place,
    expect_untouched,
)
from cmda_core.testing.rules.training import TRAINING, reads_no_target_labels, works_on_the_accelerator
from cmda_core.testing.subject import Answers, Subject
from cmda_core.volumes import Volume


class TranslatorSubject(Subject):
    """A translator under check."""

    methods = {"fit": 2, "translate": 2, "save": 1}  # noqa: RUF012  # a constant

    def make_data(self, folder: Path) -> TranslationData:
        """Unpaired prepared cohorts."""
        return translation_data(folder, self.task)

    def image(self, modality: str, grid: str = "oblique") -> Volume:
        """A prepared image that was not in the training."""
        return phantom(self.task, modality, seed=50, grid=GRIDS[grid])[0]

    def infer(self, model: object) -> Volume:
        """One translation to the target."""
        return self.translate(model, self.image(self.task.source))

    def translate(self, model: object, image: Volume) -> Volume:
        """An image as the other modality."""
        translated = model.translate(image, self.task.other(image.modality))  # type: ignore[attr-defined]
        expect(
            isinstance(translated, Volume),
            f"translate() returned a {type(translated).__name__}.",
            "Return volume.with_voxels(voxels, modality=to).",
        )
        result: Volume = translated
        return result

    def answers(self, model: object) -> Answers:
        """Translations both ways."""
        return {
            f"the translation to {self.task.other(modality)}": self.translate(
                model, self.image(modality)
            ).voxels
            for modality in self.task.modalities
        }

    def pairs(self, grid: str = "oblique") -> Iterator[tuple[Volume, Volume]]:
        """Images of both modalities and what they are translated to."""
        for modality in self.task.modalities:
            image = self.image(modality, grid)
            yield image, self.translate(self.model, image)


def keeps_the_grid(subject: TranslatorSubject) -> None:
    """A translation has the shape and the affine of its image, also if that lies oblique."""
    for image, translated in subject.pairs():
        expect_same_place(translated, image)


def writes_the_other_modality(subject: TranslatorSubject) -> None:
    """A translation says that it is of the modality that was asked for, and keeps the case."""
    for image, translated in subject.pairs():
        wanted = subject.task.other(image.modality)
        expect(
            (translated.modality, translated.case) == (wanted, image.case),
            f"Asked for {wanted} of {image.case}, it returned {translated.modality} of {translated.case}.",
            "Use volume.with_voxels(voxels, modality=to).",
        )


def returns_finite_float32(subject: TranslatorSubject) -> None:
    """A translation is float32, without NaN or infinities."""
    for image, translated in subject.pairs():
        expect_finite_float32(translated.voxels, image.case)


def stays_in_range(subject: TranslatorSubject) -> None:
    """A translation has intensities in [-1, 1], as prepared images do."""
    for image, translated in subject.pairs():
        expect_prepared_range(translated.voxels, image.case)


def leaves_its_input_alone(subject: TranslatorSubject) -> None:
    """`translate` does not write into the image that it is given."""
    for modality in subject.task.modalities:
        image = subject.image(modality)
        before = image.voxels.copy()
        subject.translate(subject.model, image)
        expect_untouched(before, image.voxels, f"the {modality} image")


def translates_one_slice(subject: TranslatorSubject) -> None:
    """An image of a single slice is translated like any other."""
    _expect_whole(subject, "one slice")


def translates_odd_sizes(subject: TranslatorSubject) -> None:
    """An image whose sizes divide by nothing is translated like any other."""
    _expect_whole(subject, "odd sizes")


def translates_anisotropic_voxels(subject: TranslatorSubject) -> None:
    """An image with very unequal voxel edges is translated like any other."""
    _expect_whole(subject, "anisotropic")


def translates_constant_images(subject: TranslatorSubject) -> None:
    """An image that shows nothing is translated to something finite and in range."""
    for modality in subject.task.modalities:
        for value in (-1.0, 0.25):
            image = constant(modality, value)
            _expect_sound(image, subject.translate(subject.model, image))


def refuses_another_modality(subject: TranslatorSubject) -> None:
    """An image of a modality that is not of the task, or already of the one asked for, is a ModalityError."""
    model, task = subject.model, subject.task
    foreign = subject.image(task.source).with_voxels(subject.image(task.source).voxels, modality="FLAIR")
    for image, to in ((foreign, task.target), (subject.image(task.target), task.target)):
        try:
            model.translate(image, to)
        except ModalityError:
            continue
        raise BrokenPromiseError(
            f"It translated {image.modality} to {to}.",
            "Call cmda_core.training.translator.require_direction first.",
        )


def _expect_whole(subject: TranslatorSubject, grid: str) -> None:
    for image, translated in subject.pairs(grid):
        _expect_sound(image, translated)


def _expect_sound(image: Volume, translated: Volume) -> None:
    expect_same_place(translated, image)
    expect_finite_float32(translated.voxels, image.case)
    expect_prepared_range(translated.voxels, image.case)


_OWN: tuple[Rule, ...] = (
    keeps_the_grid,
    writes_the_other_modality,
    returns_finite_float32,
    stays_in_range,
    leaves_its_input_alone,
    translates_one_slice,
    translates_odd_sizes,
    translates_anisotropic_voxels,
    translates_constant_images,
    refuses_another_modality,
)


TRANSLATOR: tuple[Rule, ...] = (
    *DECLARATION,
    *TRAINING,
    reads_no_target_labels,
    *_OWN,
    *SHARED_ENCODER,
    works_on_the_accelerator,
)


def translator_rules(subject: TranslatorSubject) -> tuple[Rule, ...]:
    """The rules for this translator: those of its capabilities only if it declares them."""
    absent = () if subject.offer.shared_encoder else SHARED_ENCODER
    return tuple(rule for rule in TRANSLATOR if rule not in absent)
