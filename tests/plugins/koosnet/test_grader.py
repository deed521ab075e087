from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from cmda_core.errors import ConfigError, DataError, GeometryError, ModalityError, NotTrainedError
from cmda_core.evaluation.grading import score_grades
from cmda_core.protocols import Grader, GradingData, GradingInput, SharedEncoder
from cmda_core.run import Run
from cmda_core.schema import Task
from cmda_core.volumes import LabelVolume
from cmda_koosnet.config import KoosNetConfig
from cmda_koosnet.plugin import build, load, offer_graders
from cmda_koosnet.sampling import stratified_batch

Tiny = Callable[..., KoosNetConfig]
RunIn = Callable[[Path], Run]
HeldOut = Callable[[int, int], GradingInput]

VARIANTS: dict[str, dict[str, object]] = {
    "paper": {},
    "official": {"mask_fusion": "gate", "contrastive": "supcon", "batch": "stratified"},
    "mirrored": {"sides": "mirrored-at-random"},
    "folds": {"folds": 2},
    "moco": {"contrastive": "moco", "moco": {"momentum": 0.9, "queue": 20}},
    "not frozen": {"freeze": False},
    "not pre-trained": {"freeze": False, "pretrain": False},
}


def trained(config: KoosNetConfig, data: GradingData, run: Run) -> Grader:
    grader = build(config, Task())
    grader.fit(data, run)
    return grader


def weights(grader: Grader, folder: Path) -> dict[str, torch.Tensor]:
    grader.save(folder)
    merged = {}
    for path in sorted(folder.rglob("*.safetensors")):
        merged |= {f"{path.parent.name}.{path.stem}.{key}": value for key, value in load_file(path).items()}
    return merged


def pretrained(run_folder: Path) -> dict[str, torch.Tensor]:
    from cmda_core.training.state import load_state

    state = load_state(run_folder / "pretraining" / "checkpoint.safetensors")["parts"]["modules"]["net"]
    return {key.removeprefix("high."): value for key, value in state.items() if key.startswith("high.")}


def high(merged: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    prefix = "fold-0.koosnet.high."
    return {key.removeprefix(prefix): value for key, value in merged.items() if key.startswith(prefix)}


@pytest.mark.parametrize("name", VARIANTS)
def test_saved_and_loaded_graders_predict_the_same(
    name: str,
    data: GradingData,
    encoder: SharedEncoder,
    tiny: Tiny,
    run_in: RunIn,
    held_out: HeldOut,
    tmp_path: Path,
) -> None:
    grader = trained(tiny(**VARIANTS[name]), data, run_in(tmp_path / "run"))
    grader.save(tmp_path / "model")
    again = load(tmp_path / "model", encoder)
    for grade in (1, 4):
        prediction = grader.grade(held_out(grade, 0))
        assert again.grade(held_out(grade, 0)) == prediction
        assert sum(prediction.probabilities) == pytest.approx(1)
    assert not (tmp_path / "run" / "features").exists()


def test_held_out_cases_are_graded_better_than_by_chance(
    data: GradingData, tiny: Tiny, run_in: RunIn, held_out: HeldOut, tmp_path: Path
) -> None:
    config = tiny(
        batch="stratified",
        sides="aligned",
        channels=16,
        pretrain_epochs=15,
        pretrain_learning_rate=3e-3,
        epochs=60,
        learning_rate=1e-2,
        save_every=1000,
    )
    grader = trained(config, data, run_in(tmp_path))
    true = [1, 2, 3, 4] * 3
    predicted = [grader.grade(held_out(grade, number)).grade for number, grade in enumerate(true)]
    assert score_grades(true, predicted).ma_mae < 0.7


def test_only_the_classifier_is_tuned_when_frozen(
    data: GradingData, tiny: Tiny, run_in: RunIn, tmp_path: Path
) -> None:
    merged = weights(trained(tiny(), data, run_in(tmp_path / "run")), tmp_path / "model")
    before, after = pretrained(tmp_path / "run"), high(merged)
    assert before.keys() == after.keys()
    for key in before:
        torch.testing.assert_close(before[key], after[key], rtol=0, atol=0)
    assert not any(".encoder." in key for key in merged)


def test_everything_is_tuned_when_not_frozen(
    data: GradingData, encoder: SharedEncoder, tiny: Tiny, run_in: RunIn, tmp_path: Path
) -> None:
    merged = weights(trained(tiny(freeze=False), data, run_in(tmp_path / "run")), tmp_path / "model")
    before, after = pretrained(tmp_path / "run"), high(merged)
    assert not torch.equal(before["convolutions.0.weight"], after["convolutions.0.weight"])
    original = encoder.copy_encoder().state_dict()
    assert not torch.equal(merged["fold-0.encoder.0.weight"], original["0.weight"])


@pytest.mark.parametrize("name", ["paper", "not frozen"])
def test_every_step_of_fine_tuning_sees_one_case_of_each_grade(
    name: str, data: GradingData, tiny: Tiny, run_in: RunIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However rare a grade is; ungraded source cases are not tuned on."""
    rare = [case for case in data.annotated if case.grade != 3 or case is data.annotated[8]]
    ungraded = replace(data.annotated[9], grade=None)
    some = replace(data, annotated=tuple(rare), unannotated=(*data.unannotated, ungraded))
    cases = [*some.annotated, *some.unannotated]
    steps = []

    def record(*arguments: object) -> list[int]:
        drawn = stratified_batch(*arguments)  # type: ignore[arg-type]
        steps.append([cases[index].grade for index in drawn])
        return drawn

    monkeypatch.setattr("cmda_koosnet.finetuning.stratified_batch", record)
    trained(tiny(**VARIANTS[name], epochs=3), some, run_in(tmp_path))
    assert len(steps) == 3 * -(-len(rare) // 4)
    assert steps == [[1, 2, 3, 4]] * len(steps)


@pytest.mark.parametrize("name", ["paper", "moco", "not frozen"])
@pytest.mark.parametrize("phase", ["pretraining", "finetuning"])
def test_an_interrupted_training_ends_with_the_same_weights(
    name: str,
    phase: str,
    data: GradingData,
    tiny: Tiny,
    run_in: RunIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = tiny(**VARIANTS[name])
    expected = weights(trained(config, data, run_in(tmp_path / "whole")), tmp_path / "a")

    log = Run.log

    def interrupted(self: Run, step: int, values: dict[str, float], name: str = "training") -> None:
        if self.folder.name == phase and step == 5:
            raise KeyboardInterrupt
        log(self, step, values, name)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "log", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trained(config, data, run_in(tmp_path / "cut"))
    torch.manual_seed(99)
    got = weights(trained(config, data, run_in(tmp_path / "cut")), tmp_path / "b")
    for key in expected:
        torch.testing.assert_close(got[key], expected[key], rtol=0, atol=0)
    for stage in ("pretraining", "finetuning"):
        whole, cut = (tmp_path / kind / stage / "training.csv" for kind in ("whole", "cut"))
        assert whole.read_text() == cut.read_text()


def test_kept_features_change_nothing_but_the_number_of_encodings(
    data: GradingData, encoder: SharedEncoder, tiny: Tiny, run_in: RunIn, tmp_path: Path
) -> None:
    results, calls = [], []
    for name, limit in (("kept", 1.0), ("again", 0.0)):
        before = encoder.calls  # type: ignore[attr-defined]
        grader = trained(tiny(feature_cache_gb=limit), data, run_in(tmp_path / name))
        calls.append(encoder.calls - before)  # type: ignore[attr-defined]
        results.append(weights(grader, tmp_path / f"{name}-model"))
    for key in results[0]:
        torch.testing.assert_close(results[0][key], results[1][key], rtol=0, atol=0)
    assert calls[0] < calls[1]


def test_a_grade_without_cases_is_never_predicted(
    data: GradingData, tiny: Tiny, run_in: RunIn, held_out: HeldOut, tmp_path: Path
) -> None:
    some = replace(data, annotated=tuple(case for case in data.annotated if case.grade != 2))
    prediction = trained(tiny(), some, run_in(tmp_path)).grade(held_out(2, 0))
    assert prediction.probabilities[1] == 0
    assert sum(prediction.probabilities) == pytest.approx(1)


def test_aligned_grading_does_not_see_the_side(
    data: GradingData, tiny: Tiny, run_in: RunIn, held_out: HeldOut, tmp_path: Path
) -> None:
    grader = trained(tiny(sides="aligned", window=None), data, run_in(tmp_path))
    subject = held_out(2, 3)
    mirrored = replace(
        subject,
        images={name: volume.with_voxels(volume.voxels[::-1]) for name, volume in subject.images.items()},
        mask=replace(subject.mask, voxels=subject.mask.voxels[::-1]),
    )
    assert grader.grade(mirrored) == grader.grade(subject)


def test_the_image_that_is_graded_can_be_chosen(
    data: GradingData, tiny: Tiny, run_in: RunIn, held_out: HeldOut, tmp_path: Path
) -> None:
    shares = {}
    for inference in ("target", "real", "both"):
        grader = trained(tiny(inference=inference), data, run_in(tmp_path / inference))
        shares[inference] = np.array(grader.grade(held_out(3, 0)).probabilities)
        shares[f"{inference} of source"] = np.array(
            grader.grade(replace(held_out(3, 0), real="ceT1")).probabilities
        )
    np.testing.assert_array_equal(shares["target"], shares["real"])
    np.testing.assert_array_equal(shares["target"], shares["target of source"])
    np.testing.assert_allclose(shares["both"], (shares["target"] + shares["real of source"]) / 2, atol=1e-6)


def test_a_case_without_a_tumour_gets_a_grade(
    data: GradingData, tiny: Tiny, run_in: RunIn, held_out: HeldOut, tmp_path: Path
) -> None:
    subject = held_out(1, 0)
    empty = LabelVolume(np.zeros_like(subject.mask.voxels), subject.mask.affine, "empty")
    grader = trained(tiny(sides="aligned"), data, run_in(tmp_path))
    assert grader.grade(replace(subject, mask=empty)).grade in (1, 2, 3, 4)


def test_what_cannot_be_trained_on_is_refused(
    data: GradingData, tiny: Tiny, run_in: RunIn, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="needs a translator with a shared encoder"):
        trained(tiny(), replace(data, encoder=None), run_in(tmp_path))
    with pytest.raises(DataError, match="at least two Koos grades"):
        trained(tiny(), replace(data, annotated=data.annotated[:3]), run_in(tmp_path))


def test_what_cannot_be_graded_is_refused(
    data: GradingData, tiny: Tiny, run_in: RunIn, held_out: HeldOut, tmp_path: Path
) -> None:
    subject = held_out(1, 0)
    with pytest.raises(NotTrainedError):
        build(tiny(), Task()).grade(subject)
    with pytest.raises(NotTrainedError):
        build(tiny(), Task()).save(tmp_path)
    grader = trained(tiny(), data, run_in(tmp_path))
    with pytest.raises(ModalityError, match="needs the hrT2 image"):
        grader.grade(replace(subject, images={"ceT1": subject.images["ceT1"]}))
    elsewhere = replace(subject.mask, affine=subject.mask.affine + np.eye(4, k=3))
    with pytest.raises(GeometryError, match="mm away"):
        grader.grade(replace(subject, mask=elsewhere))


def test_another_encoder_and_damaged_files_are_refused(
    data: GradingData, encoder: SharedEncoder, tiny: Tiny, run_in: RunIn, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load(tmp_path, encoder)
    trained(tiny(), data, run_in(tmp_path / "run")).save(tmp_path)
    with pytest.raises(ConfigError):
        load(tmp_path, None)
    description = tmp_path / "koosnet.json"
    content = json.loads(description.read_text())
    description.write_text(json.dumps(content | {"feature_channels": 256}))
    with pytest.raises(DataError, match="features of 256 channels"):
        load(tmp_path, encoder)
    description.write_text("[]")
    with pytest.raises(DataError, match="not a saved MSF-Koos-Net"):
        load(tmp_path, encoder)


@pytest.mark.parametrize(
    "settings", [{"pretrain": False}, {"self_weight": 0, "supervised_weight": 0}, {"temperature": 0}]
)
def test_settings_without_sense_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        KoosNetConfig.model_validate(settings)


def test_the_defaults_are_the_papers() -> None:
    config = KoosNetConfig()
    assert (config.pretrain_learning_rate, config.pretrain_epochs, config.batch_size) == (1e-2, 100, 4)
    assert (config.learning_rate, config.epochs) == (1e-4, 20)
    assert (config.slices, config.channels, config.projection_channels) == (32, 512, (256, 128))


def test_the_offer_needs_an_encoder() -> None:
    (offer,) = offer_graders()
    assert (offer.name, offer.needs_encoder) == ("msf-koos-net", True)
