from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cmda_core.errors import DataError, NotTrainedError
from cmda_core.evaluation.grading import score_grades
from cmda_core.protocols import Grader, GradingCase, GradingData, GradingInput
from cmda_core.run import Run
from cmda_core.schema import Task
from cmda_core.volumes import LabelVolume, Volume, read_labels, write_volume
from cmda_volumetrics.config import VolumetricsConfig
from cmda_volumetrics.plugin import build, load, offer_graders

AFFINE = np.diag([-1.0, -1.0, 1.5, 1.0])


def phantom(grade: int, seed: int) -> LabelVolume:
    """A ball whose size and medial reach follow the grade; cochleae 60 mm apart."""
    draw = np.random.default_rng([grade, seed])
    radius = 2.0 + 2.5 * grade + draw.normal(0, 0.6)
    side = 1 if draw.integers(2) else -1
    centre = np.array([48 + side * (30 - radius - draw.normal(0, 0.7)), 48, 16])
    mm = (np.indices((96, 96, 32)).transpose(1, 2, 3, 0) - centre) * np.array([1, 1, 1.5])
    voxels = (np.linalg.norm(mm, axis=-1) <= radius).astype(np.uint8)
    for cochlea in (18, 78):
        voxels[cochlea - 2 : cochlea + 3, 40:44, 15:18] = 2
    return LabelVolume(voxels, AFFINE, f"case{grade}_{seed}")


def write_case(folder: Path, grade: int, seed: int) -> GradingCase:
    labels = phantom(grade, seed)
    path = folder / f"{labels.case}.nii"
    write_volume(path, labels)
    return GradingCase(labels.case, labels.case, {}, path, "ceT1", grade)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> tuple[GradingCase, ...]:
    folder = tmp_path_factory.mktemp("masks")
    return tuple(write_case(folder, grade, seed) for seed in range(4) for grade in (1, 2, 3, 4))


def subject(labels: LabelVolume) -> GradingInput:
    image = Volume(np.zeros(labels.voxels.shape, np.float32), labels.affine, "hrT2", labels.case)
    return GradingInput(labels.case, {"hrT2": image}, labels, "hrT2")


def trained(cases: tuple[GradingCase, ...], folder: Path, config: VolumetricsConfig | None = None) -> Grader:
    grader = build(config or VolumetricsConfig(), Task())
    grader.fit(GradingData(annotated=cases, unannotated=()), Run(folder))
    return grader


@pytest.mark.parametrize("model", ["ordinal", "logistic"])
def test_held_out_cases_are_graded_well(cases: tuple[GradingCase, ...], tmp_path: Path, model: str) -> None:
    grader = trained(cases, tmp_path, VolumetricsConfig.model_validate({"model": model}))
    true = [1, 2, 3, 4] * 3
    predicted = [grader.grade(subject(phantom(grade, 100 + n))).grade for n, grade in enumerate(true)]
    assert score_grades(true, predicted).ma_mae < 0.5


def test_a_loaded_grader_predicts_exactly_the_same(cases: tuple[GradingCase, ...], tmp_path: Path) -> None:
    grader = trained(cases, tmp_path / "run")
    grader.save(tmp_path / "model")
    again = load(tmp_path / "model", None)
    for grade in (1, 2, 3, 4):
        held_out = subject(phantom(grade, 50))
        assert again.grade(held_out) == grader.grade(held_out)


def test_the_same_seed_gives_the_same_file(cases: tuple[GradingCase, ...], tmp_path: Path) -> None:
    for name in "ab":
        trained(cases, tmp_path / f"run-{name}").save(tmp_path / name)
    first, second = ((tmp_path / name / "volumetrics.json").read_bytes() for name in "ab")
    assert first == second


def test_a_case_without_any_structure_gets_a_grade(cases: tuple[GradingCase, ...], tmp_path: Path) -> None:
    empty = LabelVolume(np.zeros((96, 96, 32), np.uint8), AFFINE, "empty")
    prediction = trained(cases, tmp_path).grade(subject(empty))
    assert prediction.grade == 1
    assert sum(prediction.probabilities) == pytest.approx(1)


def test_a_grade_without_cases_is_never_predicted(cases: tuple[GradingCase, ...], tmp_path: Path) -> None:
    grader = trained(tuple(case for case in cases if case.grade != 3), tmp_path)
    for seed in range(60, 64):
        assert grader.grade(subject(phantom(3, seed))).probabilities[2] == 0


def test_one_grade_is_refused(cases: tuple[GradingCase, ...], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least two Koos grades, got only grade 2"):
        trained(tuple(case for case in cases if case.grade == 2), tmp_path)


def test_an_untrained_grader_refuses(cases: tuple[GradingCase, ...], tmp_path: Path) -> None:
    grader = build(VolumetricsConfig(), Task())
    with pytest.raises(NotTrainedError):
        grader.grade(subject(read_labels(cases[0].mask)))
    with pytest.raises(NotTrainedError):
        grader.save(tmp_path)


def test_damaged_and_foreign_files_are_refused(cases: tuple[GradingCase, ...], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load(tmp_path, None)
    trained(cases, tmp_path / "run").save(tmp_path)
    path = tmp_path / "volumetrics.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"features": ["height"]}))
    with pytest.raises(DataError, match="other features"):
        load(tmp_path, None)
    path.write_text("{}")
    with pytest.raises(DataError, match="not a saved volumetric grader"):
        load(tmp_path, None)


def test_the_offer_needs_no_encoder_and_no_torch() -> None:
    (offer,) = offer_graders()
    assert (offer.name, offer.needs_encoder) == ("volumetrics", False)
    code = "import sys, cmda_volumetrics.plugin; sys.exit('torch' in sys.modules or 'sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603
