"""The contract kit finds what it is there to find: every rule is seen to fail."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import SkipTest

import numpy as np
import pytest
from pydantic import Field

from cmda_core.errors import ConfigError, ContractError, ModalityError, NotTrainedError
from cmda_core.hookspecs import GraderOffer, SegmenterOffer, TranslatorOffer
from cmda_core.koos import grades_present, koos_prediction
from cmda_core.protocols import (
    GradingInput,
    KoosPrediction,
    Segmentation,
    SegmentationData,
    TranslationData,
)
from cmda_core.run import Run
from cmda_core.schema import PluginConfig, Task
from cmda_core.testing import check_translator, grader_checks, segmenter_checks, translator_checks
from cmda_core.volumes import Volume, read_labels, read_volume


class MeanConfig(PluginConfig):
    """Settings of a translator that moves the mean."""

    share: float = Field(default=1.0, ge=0, le=1)
    """How far."""


class Mean:
    """Brings the mean intensity of an image to that of the other modality's cohort."""

    def __init__(self, config: MeanConfig, task: Task) -> None:
        self.config, self.task = config, task
        self.means: dict[str, float] = {}

    def fit(self, data: TranslationData, run: Run) -> None:
        with run.progress.task("means", 2) as advance:
            for cohort in (data.source, data.target):
                modality = cohort.cases[0].modality
                voxels = [read_volume(case.image, modality).voxels.mean() for case in cohort]
                self.means[modality] = float(np.mean(voxels))
                advance(1)

    def translate(self, volume: Volume, to: str) -> Volume:
        if not self.means:
            raise NotTrainedError("train it")
        if to != self.task.other(volume.modality):
            raise ModalityError("the other one")
        moved = volume.voxels + np.float32(self.config.share * (self.means[to] - self.means[volume.modality]))
        return volume.with_voxels(np.clip(moved, -1, 1), modality=to)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        content = {"config": self.config.model_dump(), "task": self.task.model_dump(), "means": self.means}
        (folder / "mean.json").write_text(json.dumps(content))


def offer_of(method: type[Mean], **changes: Any) -> TranslatorOffer:
    def load(folder: Path) -> Mean:
        content = json.loads((folder / "mean.json").read_text())
        model = method(MeanConfig(**content["config"]), Task(**content["task"]))
        model.means = content["means"]
        return model

    offer = TranslatorOffer(
        name="mean",
        summary="Moves the mean.",
        config=MeanConfig,
        reference="https://example.org",
        build=method,
        load=load,
    )
    return replace(offer, **changes)


def broken(offer: TranslatorOffer) -> set[str]:
    names = set()
    for check in translator_checks(offer):
        try:
            check()
        except SkipTest:
            continue
        except ContractError:
            names.add(str(check))
    return names


def test_a_sound_translator_breaks_nothing() -> None:
    check_translator(offer_of(Mean))


def moving(self: Mean, volume: Volume, to: str) -> Volume:
    return replace(Mean.translate(self, volume, to), affine=np.eye(4))


def mislabelling(self: Mean, volume: Volume, to: str) -> Volume:
    return replace(Mean.translate(self, volume, to), modality=volume.modality)


def doubling(self: Mean, volume: Volume, to: str) -> Volume:
    return volume.with_voxels(Mean.translate(self, volume, to).voxels.astype(np.float64), modality=to)  # type: ignore[arg-type]


def dividing(self: Mean, volume: Volume, to: str) -> Volume:
    with np.errstate(invalid="ignore", divide="ignore"):
        return volume.with_voxels(Mean.translate(self, volume, to).voxels / volume.voxels.std(), modality=to)


def scribbling(self: Mean, volume: Volume, to: str) -> Volume:
    result = Mean.translate(self, volume, to)
    volume.voxels[0] = 0
    return result


def guessing(self: Mean, volume: Volume, to: str) -> Volume:
    result = Mean.translate(self, volume, to)
    noise = np.random.default_rng().normal(0, 0.01, volume.voxels.shape).astype(np.float32)
    return result.with_voxels(np.clip(result.voxels + noise, -1, 1))


def careless(self: Mean, volume: Volume, to: str) -> Volume:
    if not self.means:
        raise NotTrainedError("train it")
    return volume.with_voxels(volume.voxels, modality=to)


def stacking(self: Mean, volume: Volume, to: str) -> Volume:
    if self.means and volume.voxels.shape[2] == 1:
        raise ValueError("needs two slices")
    return Mean.translate(self, volume, to)


def untrained(self: Mean, volume: Volume, to: str) -> Volume:
    self.means = self.means or {"ceT1": 0.0, "hrT2": 0.1}
    return Mean.translate(self, volume, to)


@pytest.mark.parametrize(
    ("translate", "rules"),
    [
        (moving, {"keeps_the_grid"}),
        (mislabelling, {"writes_the_other_modality"}),
        (doubling, {"returns_finite_float32"}),
        (dividing, {"stays_in_range", "translates_constant_images"}),
        (scribbling, {"leaves_its_input_alone"}),
        (guessing, {"answers_the_same_again", "same_seed_same_model", "survives_save_and_load"}),
        (careless, {"refuses_another_modality"}),
        (stacking, {"translates_one_slice"}),
        (untrained, {"refuses_before_training"}),
    ],
)
def test_a_broken_translation_is_found(translate: Callable[..., Volume], rules: set[str]) -> None:
    assert rules <= broken(offer_of(type("Broken", (Mean,), {"translate": translate})))


def writing(self: Mean, data: TranslationData, run: Run) -> None:
    Mean.fit(self, data, run)
    (run.folder.parent / "notes.txt").write_text("mine")


def peeking(self: Mean, data: TranslationData, run: Run) -> None:
    Mean.fit(self, data, run)
    for case in data.target:
        for path in case.image.parent.rglob("*_labels.nii"):
            path.read_bytes()


def drawing(self: Mean, data: TranslationData, run: Run) -> None:
    Mean.fit(self, data, run)
    self.means["hrT2"] += float(np.random.default_rng().normal(0, 0.01))


def forgetting(self: Mean, data: TranslationData, run: Run) -> None:
    """Counts its calls, as if each began where the last one stopped."""
    calls = run.folder / "calls.txt"
    calls.write_text(calls.read_text() + "x" if calls.exists() else "x")
    Mean.fit(self, data, run)
    self.means["hrT2"] += 0.01 * len(calls.read_text())


def printing(self: Mean, data: TranslationData, run: Run) -> None:
    Mean.fit(self, data, run)
    print("done")  # noqa: T201


def failing(self: Mean, data: TranslationData, run: Run) -> None:
    raise ValueError("no luck")


@pytest.mark.parametrize(
    ("fit", "rules"),
    [
        (writing, {"writes_into_its_folder_alone"}),
        (peeking, {"reads_no_target_labels"}),
        (drawing, {"same_seed_same_model", "resumes_where_it_stopped"}),
        (forgetting, {"resumes_where_it_stopped"}),
        (printing, {"leaves_the_process_alone"}),
        (failing, {"learns"}),
    ],
)
def test_a_broken_training_is_found(fit: Callable[..., None], rules: set[str]) -> None:
    assert broken(offer_of(type("Broken", (Mean,), {"fit": fit}))) == rules


def test_a_pickle_and_a_path_are_found() -> None:
    def save(self: Mean, folder: Path) -> None:
        Mean.save(self, folder)
        (folder / "model.pkl").write_bytes(b"")

    assert broken(offer_of(type("Broken", (Mean,), {"save": save}))) == {"saves_portable_files"}


class LooseConfig(MeanConfig):
    """A field without a default, one without a docstring."""

    steps: int
    silent: int = 1


def test_broken_declarations_are_found() -> None:
    assert {"introduces_itself"} <= broken(offer_of(Mean, name="The Mean"))
    assert {"introduces_itself"} <= broken(offer_of(Mean, api_version=2))
    found = broken(offer_of(Mean, config=LooseConfig, tiny={"steps": 1}))
    assert {"settings_have_defaults", "settings_are_explained"} <= found
    assert "has_the_methods" in broken(offer_of(type("Broken", (Mean,), {"save": None})))
    assert "is_a_shared_encoder" in broken(offer_of(Mean, shared_encoder=True))


def test_all_broken_promises_are_told_at_once() -> None:
    broken_twice = type("Broken", (Mean,), {"translate": doubling, "fit": printing})
    with pytest.raises(ContractError) as told:
        check_translator(offer_of(broken_twice))
    assert str(told.value).startswith("mean breaks its contract:\n")
    assert "\n  leaves_the_process_alone: fit() printed 'done'. Use run.progress.note" in str(told.value)
    assert "\n  returns_finite_float32: phantom-ceT1-50: the result is float64. Return" in str(told.value)


def test_expected_failures_are_strict() -> None:
    printer = offer_of(type("Broken", (Mean,), {"fit": printing}))
    check_translator(printer, expected_failures={"leaves_the_process_alone": "it is chatty"})
    with pytest.raises(ContractError, match="stays_in_range: The promise is kept, though expected"):
        check_translator(
            printer, expected_failures={"leaves_the_process_alone": "chatty", "stays_in_range": "wild"}
        )
    with pytest.raises(ContractError, match="no rule is called stays_calm"):
        translator_checks(printer, expected_failures={"stays_calm": "it does not"})


def test_settings_for_the_checks_are_checked() -> None:
    with pytest.raises(ConfigError, match="settings for the checks of 'mean'"):
        translator_checks(offer_of(Mean), {"shre": 0.5})
    check_translator(offer_of(Mean), MeanConfig(share=0.5), Task(source="T2", target="FLAIR"))


class Blunt:
    """A segmenter and a grader that break what can be broken."""

    def __init__(self, config: MeanConfig, task: Task) -> None:
        self.trained = False

    def fit(self, data: Any, run: Run) -> None:
        if hasattr(data, "annotated"):
            grades_present(data.annotated)
        self.trained = True

    def segment(self, volume: Volume) -> Segmentation:
        self._require()
        shares = np.zeros((3, *volume.voxels.shape), np.float32)
        shares[1] = 0.5
        labels = np.full(volume.voxels.shape, 7, np.int64)
        return Segmentation(volume.with_labels(labels), shares)  # type: ignore[arg-type]

    def grade(self, subject: GradingInput) -> KoosPrediction:
        self._require()
        prediction = koos_prediction("somebody", [1, 0, 0, 0], "argmax")
        return replace(prediction, grade=0)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "nothing.txt").write_text("")

    def _require(self) -> None:
        if not self.trained:
            raise NotTrainedError("train it")


def load_blunt(folder: Path, encoder: object = None) -> Blunt:
    blunt = Blunt(MeanConfig(), Task())
    blunt.trained = True
    return blunt


def failed(checks: list[Any]) -> set[str]:
    names = {str(check) for check in checks}
    for check in checks:
        with contextlib.suppress(ContractError, SkipTest):
            check()
            names.remove(str(check))
    return names


def test_a_broken_segmenter_and_a_broken_grader_are_found() -> None:
    common: dict[str, Any] = {"name": "blunt", "summary": "x", "config": MeanConfig, "reference": "x"}
    segmenter = SegmenterOffer(**common, build=Blunt, load=load_blunt)
    assert {
        "labels_are_of_the_task",
        "probabilities_sum_to_one",
        "labels_follow_the_probabilities",
    } <= failed(segmenter_checks(segmenter))
    grader = GraderOffer(**common, build=Blunt, load=load_blunt, needs_encoder=True)
    assert {"grades_from_one_to_four", "refuses_to_go_without_its_encoder"} <= failed(grader_checks(grader))


class Counting:
    """A segmenter that learns how common its labels are; what is to be ignored counts as background."""

    honest = False

    def __init__(self, config: MeanConfig, task: Task) -> None:
        self.shares: list[float] = []

    def fit(self, data: SegmentationData, run: Run) -> None:
        counts = np.zeros(4, np.int64)
        for case in data.cases:
            assert case.labels is not None
            counts += np.bincount(read_labels(case.labels, case.id).voxels.ravel(), minlength=4)
        if not self.honest:
            counts[0] += counts[3]
        self.shares = (counts[:3] / counts[:3].sum()).tolist()

    def segment(self, volume: Volume) -> Segmentation:
        shares = np.empty((3, *volume.voxels.shape), np.float32)
        shares[:] = np.array(self.shares, np.float32)[:, None, None, None]
        return Segmentation(volume.with_labels(shares.argmax(axis=0).astype(np.uint8)), shares)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)


class Honest(Counting):
    """The same, but what is to be ignored does not count."""

    honest = True


def test_a_segmenter_that_takes_ignored_voxels_for_background_is_found() -> None:
    common: dict[str, Any] = {"name": "count", "summary": "x", "config": MeanConfig, "reference": "x"}

    def ignoring(method: type[Counting], *, declared: bool) -> set[str]:
        offer = SegmenterOffer(
            **common, build=method, load=lambda _: method(MeanConfig(), Task()), ignores_voxels=declared
        )
        checks = [check for check in segmenter_checks(offer) if "ignored" in str(check)]
        assert len(checks) == 2 * declared
        return failed(checks)

    assert ignoring(Counting, declared=True) == {"ignored_voxels_are_no_background"}
    assert ignoring(Honest, declared=True) == set()
    assert ignoring(Counting, declared=False) == set()
