"""The promises of a grader."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from unittest import SkipTest

import numpy as np

from cmda_core.errors import ConfigError, DataError
from cmda_core.protocols import GradingData, GradingInput, KoosPrediction, SharedEncoder
from cmda_core.run import Run
from cmda_core.schema import Runtime
from cmda_core.testing.check import BrokenPromiseError, Rule, expect
from cmda_core.testing.cohorts import grading_data, radius_of
from cmda_core.testing.phantoms import GRIDS, LPS, TRAINING_SHAPE, Shape, phantom
from cmda_core.testing.rules.declaration import DECLARATION
from cmda_core.testing.rules.images import expect_untouched
from cmda_core.testing.rules.training import TRAINING, works_on_the_accelerator
from cmda_core.testing.subject import Answers, Subject
from cmda_core.volumes.geometry import Matrix

_PREPARED = TRAINING_SHAPE, LPS


class GraderSubject(Subject):
    """A grader under check."""

    methods = {"fit": 2, "grade": 1, "save": 1}  # noqa: RUF012  # a constant

    @cached_property
    def encoder(self) -> SharedEncoder | None:
        """An encoder that knows nothing, if the offer asks for one."""
        if not self.offer.needs_encoder:
            return None
        from cmda_core.testing.encoder import StandInEncoder

        return StandInEncoder()

    def make_data(self, folder: Path) -> GradingData:
        """Graded and ungraded subjects."""
        return grading_data(folder, self.task, self.encoder)

    def load(self, folder: Path) -> object:
        """A grader that was saved, with the encoder that it was trained with."""
        return self.offer.load(folder, self.encoder)

    def person(
        self, grade: int, seed: int = 60, *, real: str | None = None, grid: tuple[Shape, Matrix] = _PREPARED
    ) -> GradingInput:
        """A subject that was not in the training."""
        images = {}
        for modality in self.task.modalities:
            image, mask = phantom(self.task, modality, seed=seed, radius=radius_of(grade), grid=grid)
            images[modality] = image
        name = f"person-{grade}-{seed}"
        return GradingInput(name, images, replace(mask, case=name), real or self.task.target)

    def infer(self, model: object) -> KoosPrediction:
        """The grade of one subject."""
        return self.grade(model, self.person(2))

    def grade(self, model: object, person: GradingInput) -> KoosPrediction:
        """The grade of a subject."""
        found = model.grade(person)  # type: ignore[attr-defined]
        expect(
            isinstance(found, KoosPrediction),
            f"grade() returned a {type(found).__name__}.",
            "Return cmda_core.protocols.KoosPrediction, for instance by cmda_core.koos.koos_prediction.",
        )
        prediction: KoosPrediction = found
        return prediction

    def answers(self, model: object) -> Answers:
        """Probabilities of subjects of each grade."""
        return {
            f"the prediction of a phantom of grade {grade}": np.array(
                [prediction.grade, *prediction.probabilities]
            )
            for grade in (1, 2, 3, 4)
            for prediction in [self.grade(model, self.person(grade))]
        }


def grades_from_one_to_four(subject: GraderSubject) -> None:
    """A prediction is a whole Koos grade from 1 to 4, of the case that was asked for."""
    for grade in (1, 2, 3, 4):
        person = subject.person(grade)
        _expect_sound(subject.grade(subject.model, person), person)


def grades_either_modality(subject: GraderSubject) -> None:
    """A subject is graded whichever of its images is the real one."""
    for real in subject.task.modalities:
        person = subject.person(3, real=real)
        _expect_sound(subject.grade(subject.model, person), person)


def order_does_not_matter(subject: GraderSubject) -> None:
    """What was graded before does not change a prediction."""
    people = [subject.person(grade) for grade in (1, 2, 3, 4)]
    forwards = {person.case: subject.grade(subject.model, person) for person in people}
    for person in reversed(people):
        again = subject.grade(subject.model, person)
        expect(
            again == forwards[person.case],
            f"{person.case}: graded in another order, {forwards[person.case]} became {again}.",
            "Keep nothing of one case for the next.",
        )


def ungraded_subjects_are_no_error(subject: GraderSubject) -> None:
    """`fit` learns from annotated subjects alone if there are no others."""
    model = subject.build()
    data = replace(subject.data, unannotated=())
    model.fit(data, Run(subject.work / "runs" / "annotated", Runtime(device="cpu", threads=1)))
    subject.infer(model)


def refuses_a_single_grade(subject: GraderSubject) -> None:
    """`fit` raises DataError if all annotated cases have the same grade."""
    data = subject.data
    same = tuple(case for case in data.annotated if case.grade == 1)
    try:
        subject.build().fit(
            replace(data, annotated=same),
            Run(subject.work / "runs" / "one grade", Runtime(device="cpu", threads=1)),
        )
    except DataError:
        return
    raise BrokenPromiseError("It learnt from grade 1 alone.", "Call cmda_core.koos.grades_present first.")


def grades_without_a_tumour(subject: GraderSubject) -> None:
    """A subject in whose mask there is nothing is graded like any other."""
    person = subject.person(1)
    empty = replace(person.mask, voxels=np.zeros_like(person.mask.voxels))
    person = replace(person, mask=empty)
    _expect_sound(subject.grade(subject.model, person), person)


def grades_images_of_any_grid(subject: GraderSubject) -> None:
    """A subject is graded on oblique, anisotropic and odd-sized grids, and on a single slice."""
    for grid in GRIDS.values():
        person = subject.person(2, grid=grid)
        _expect_sound(subject.grade(subject.model, person), person)


def leaves_its_input_alone(subject: GraderSubject) -> None:
    """`grade` does not write into images or mask."""
    person = subject.person(2)
    arrays = {"the mask": person.mask.voxels} | {
        f"the {modality} image": image.voxels for modality, image in person.images.items()
    }
    before = {name: array.copy() for name, array in arrays.items()}
    subject.grade(subject.model, person)
    for name, array in arrays.items():
        expect_untouched(before[name], array, name)


def refuses_to_go_without_its_encoder(subject: GraderSubject) -> None:
    """Declared as needing an encoder, `fit` without one raises ConfigError."""
    if not subject.offer.needs_encoder:
        raise SkipTest("the offer needs no encoder")
    run = Run(subject.work / "runs" / "no encoder", Runtime(device="cpu", threads=1))
    try:
        subject.build().fit(replace(subject.data, encoder=None), run)
    except ConfigError:
        return
    raise BrokenPromiseError(
        "It learnt without an encoder.", "Leave needs_encoder of the offer at False, or use it."
    )


def _expect_sound(prediction: KoosPrediction, person: GradingInput) -> None:
    expect(
        type(prediction.grade) is int and 1 <= prediction.grade <= 4,
        f"{person.case}: the grade is {prediction.grade!r}.",
        "Return an int from 1 to 4, not an index from 0.",
    )
    expect(
        prediction.case == person.case,
        f"Asked for {person.case}, it graded {prediction.case}.",
        "Return the case of the subject.",
    )
    shares = np.array(prediction.probabilities)
    expect(
        shares.shape == (4,) and bool((shares >= 0).all()) and abs(float(shares.sum()) - 1) < 1e-6,
        f"{person.case}: probabilities {prediction.probabilities}.",
        "Return four of them that sum to 1, as cmda_core.koos.koos_prediction does.",
    )


_OWN: tuple[Rule, ...] = (
    grades_from_one_to_four,
    grades_either_modality,
    order_does_not_matter,
    ungraded_subjects_are_no_error,
    refuses_a_single_grade,
    grades_without_a_tumour,
    grades_images_of_any_grid,
    leaves_its_input_alone,
    refuses_to_go_without_its_encoder,
)

GRADER: tuple[Rule, ...] = (*DECLARATION, *TRAINING, *_OWN, works_on_the_accelerator)
