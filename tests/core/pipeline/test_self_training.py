"""Rounds of teacher and student, with plugins that learn in milliseconds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cmda_toy
import numpy as np
import pytest

from cmda_core.errors import ConfigError, DataError, NotTrainedError
from cmda_core.hookspecs import SegmenterOffer, hookimpl
from cmda_core.pipeline import RunSummary, run_experiment
from cmda_core.pipeline.bundle import export_bundle
from cmda_core.pipeline.goal import Goal
from cmda_core.pipeline.inference import segment_files
from cmda_core.pipeline.journal import Journal
from cmda_core.pipeline.sharing import StageStore
from cmda_core.progress import Silent
from cmda_core.protocols import Segmentation, SegmentationData
from cmda_core.pseudolabels import read_verdicts
from cmda_core.registry import Registry
from cmda_core.run import Run
from cmda_core.schema import Cohort, Experiment
from cmda_core.volumes import Volume, read_labels

REAL = [f"crossmoda2021_ldn_{n}_ceT1" for n in (1, 2, 3)]
FAKE = [f"crossmoda2021_ldn_{n}_hrT2" for n in (1, 2, 3)]
PSEUDO = [f"crossmoda2021_ldn_{n}_pseudo_hrT2" for n in (106, 107)]


def training(experiment: Experiment, rounds: int, **settings: object) -> Experiment:
    own = {"rounds": rounds, "complete": False, **settings}  # the toy finds no cochlea
    return Experiment.model_validate(experiment.model_dump() | {"self_training": own})


def run(experiment: Experiment, folder: Path, registry: Registry, **options: object) -> RunSummary:
    return run_experiment(experiment, folder, registry=registry, **{"progress": Silent(), **options})  # type: ignore[arg-type]


def events(folder: Path, event: str) -> list[str]:
    return [line["stage"] for line in Journal(folder / "journal.jsonl").read() if line["event"] == event]


def learnt_from(folder: Path, entry: str) -> list[str]:
    found: list[str] = json.loads((folder / "segmenter" / entry / "cases.json").read_text())
    return found


def results(folder: Path) -> dict[str, bytes]:
    elsewhere = {"stage.json", "environment.json"}
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in {".nii", ".gz", ".csv", ".json"} and path.name not in elsewhere
    }


class Notes(Silent):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, message: str) -> None:
        self.lines.append(message)


def test_each_student_learns_from_what_its_teacher_labelled(
    experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    notes = Notes()
    summary = run(training(experiment, 2), tmp_path, registry, progress=notes, until="evaluate")
    assert learnt_from(tmp_path, "toy") == REAL + FAKE
    assert learnt_from(tmp_path, "toy-student-1") == REAL + FAKE + PSEUDO
    assert learnt_from(tmp_path, "toy-student-2") == REAL + FAKE + PSEUDO
    order = events(tmp_path, "started")
    rounds = [stage for stage in order if "student" in stage or stage == "train-segmenter:toy"]
    assert rounds[:5] == [
        "train-segmenter:toy",
        "pseudo-label:toy-student-1",
        "train-segmenter:toy-student-1",
        "pseudo-label:toy-student-2",
        "train-segmenter:toy-student-2",
    ]
    assert summary.summary is not None
    assert set(summary.summary["segmentation"]) == {"source-only", "toy", "toy-student-1", "toy-student-2"}
    assert any("toy-student-1: learns from 2 of 2 target scans; vs 32 mm³" in line for line in notes.lines)
    for case in Cohort.load(tmp_path / "pseudo-labels" / "toy-student-1" / "target.json"):
        assert case.labels is not None
        found = read_labels(case.labels, case.id).voxels
        truth = np.zeros(cmda_toy.SHAPE, np.uint8)
        truth[3:7, 3:7, 2:4] = 1
        np.testing.assert_array_equal(found == 1, truth == 1)
        assert case.grade is None


def test_graders_and_inference_use_the_last_student(
    experiment: Experiment, registry: Registry, tmp_path: Path, scans: Path
) -> None:
    folder = tmp_path / "run"
    run(training(experiment, 2), folder, registry, until="train-grader")
    assert (folder / "segmented" / "toy-student-2" / "crops" / "crossmoda2021_ldn_1.nii").exists()
    assert not (folder / "segmented" / "toy" / "crops" / "crossmoda2021_ldn_1.nii").exists()
    bundle = export_bundle(folder, tmp_path / "toy.cmda", registry=registry)
    assert ("segmenter", "toy-student-2") in [(part.kind, part.entry) for part in bundle.parts]
    for other in ("toy", "toy-student-1"):
        shutil.rmtree(folder / "segmenter" / other)
    for model in (folder, bundle.path):
        done = segment_files(model, scans, tmp_path / model.stem, registry=registry, progress=Silent())
        assert len(done.done) == 2
    shutil.rmtree(folder / "segmenter" / "toy-student-2" / "model")
    with pytest.raises(NotTrainedError):
        segment_files(folder, scans, tmp_path / "out", registry=registry, progress=Silent())


def test_another_round_leaves_the_earlier_ones_as_they_are(
    experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    run(training(experiment, 1), tmp_path, registry, until="segment")
    before = len(events(tmp_path, "started"))
    run(training(experiment, 2), tmp_path, registry, until="segment")
    again = events(tmp_path, "started")[before:]
    assert again[:2] == ["pseudo-label:toy-student-2", "train-segmenter:toy-student-2"]
    assert not {"train-segmenter:toy", "pseudo-label:toy-student-1"} & set(again)


def test_another_filter_begins_with_the_first_round(
    experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    run(training(experiment, 2), tmp_path, registry, until="segment")
    before = len(events(tmp_path, "started"))
    run(training(experiment, 2, share=0.5), tmp_path, registry, until="segment")
    again = events(tmp_path, "started")[before:]
    assert again[0] == "pseudo-label:toy-student-1"
    assert "train-segmenter:toy" not in again
    assert learnt_from(tmp_path, "toy-student-1") == REAL + FAKE + PSEUDO[:1]


def test_switched_off_again_the_run_is_as_it_was(
    experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    """Graders then look at the masks of the teacher, which a run with students does not make."""
    run(training(experiment, 1), tmp_path, registry, until="evaluate")
    summary = run(experiment, tmp_path, registry, until="evaluate")
    assert summary.summary is not None
    assert set(summary.summary["segmentation"]) == {"source-only", "toy"}
    assert (tmp_path / "segmented" / "toy" / "crops" / "crossmoda2021_ldn_1.nii").exists()


def test_an_interrupted_round_ends_as_an_uninterrupted_one(
    experiment: Experiment, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(training(experiment, 2), tmp_path / "whole", registry, until="segment")
    labelled: list[str] = []
    segment = cmda_toy.ToySegmenter.segment

    def dying_after(limit: int) -> Callable[[cmda_toy.ToySegmenter, Volume], Segmentation]:
        def dying(self: cmda_toy.ToySegmenter, volume: Volume) -> Segmentation:
            labelled.append(volume.case)
            if len(labelled) > limit:
                raise KeyboardInterrupt
            return segment(self, volume)

        return dying

    for limit in (1, 2):  # within the first round, and within the second
        labelled.clear()
        with monkeypatch.context() as patch:
            patch.setattr(cmda_toy.ToySegmenter, "segment", dying_after(limit))
            with pytest.raises(KeyboardInterrupt):
                run(training(experiment, 2), tmp_path / "cut", registry, until="segment")
    assert labelled == ["crossmoda2021_ldn_107", "crossmoda2021_ldn_106", "crossmoda2021_ldn_107"]
    run(training(experiment, 2), tmp_path / "cut", registry, until="segment")
    assert results(tmp_path / "cut") == results(tmp_path / "whole")


def test_no_true_label_of_the_target_is_read(
    dataset: Path, experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    shutil.copytree(dataset, tmp_path / "data", ignore=shutil.ignore_patterns("*_reference"))
    blind = Experiment.model_validate(experiment.model_dump() | {"data": {"root": tmp_path / "data"}})
    run(training(experiment, 1), tmp_path / "with", registry, until="segment")
    run(training(blind, 1), tmp_path / "without", registry, until="segment")
    assert results(tmp_path / "with") == results(tmp_path / "without")


def test_a_goal_scores_the_last_student_and_runs_share_their_teacher(
    experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    store = StageStore(tmp_path / "shared")
    run(experiment, tmp_path / "plain", registry, goal=Goal(), store=store)
    summary = run(training(experiment, 1), tmp_path / "student", registry, goal=Goal(), store=store)
    assert summary.summary is not None
    assert set(summary.summary["segmentation"]) == {"toy-student-1"}
    assert "train-segmenter:toy" in events(tmp_path / "student", "shared")
    assert "segment:toy" not in summary.seconds


def test_without_a_scan_to_trust_the_run_says_what_to_change(
    experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"none of 2 target scans.*cochlea not found.*self_training.complete"):
        run(training(experiment, 1, complete=True), tmp_path, registry, until="train-segmenter")
    table = tmp_path / "pseudo-labels" / "toy-student-1" / "pseudo-labels.csv"
    assert [verdict.reason for verdict in read_verdicts(table)] == ["cochlea not found"] * 2
    run(training(experiment, 1), tmp_path, registry, until="train-segmenter")


def test_voxels_are_ignored_by_segmenters_that_can(
    experiment: Experiment, registry: Registry, tmp_path: Path
) -> None:
    unsure = training(experiment, 1, voxel_confidence=0.9)
    with pytest.raises(ConfigError, match="segmenter 'toy' cannot leave voxels out of its training"):
        run(unsure, tmp_path / "run", registry)
    assert not (tmp_path / "run").exists()
    run(
        training(experiment, 1, voxel_confidence=0.9, uncertain="background"),
        tmp_path / "toy",
        registry,
        until="prepare",
    )
    able = Experiment.model_validate(unsure.model_dump() | {"segmenter": "unsure"})
    run(able, tmp_path / "run", Unsure.registry(registry), until="train-segmenter")
    student = Cohort.load(tmp_path / "run" / "pseudo-labels" / "toy-student-1" / "target.json")
    assert Unsure.ignored == [None, None, 3]  # source only, teacher, student
    for case in student:
        assert case.labels is not None
        assert set(np.unique(read_labels(case.labels, case.id).voxels)) == {0, 1, 3}


class Unsure(cmda_toy.ToySegmenter):
    """The toy, with doubts about all that is dim."""

    ignored: list[int | None] = []  # noqa: RUF012  # of every training, in their order

    def fit(self, data: SegmentationData, run: Run) -> None:
        self.ignored.append(data.ignore)
        super().fit(data, run)

    def segment(self, volume: Volume) -> Segmentation:
        found = super().segment(volume)
        shares = np.where(volume.voxels < -0.7, np.float32(0.8), np.float32(1)) * found.probabilities
        shares[2] += 1 - shares.sum(axis=0)
        return Segmentation(found.labels, shares)

    @classmethod
    def registry(cls, toys: Registry) -> Registry:
        class Plugin:
            @staticmethod
            @hookimpl
            def offer_segmenters() -> list[SegmenterOffer]:
                offer = cmda_toy.offer_segmenters()[0]
                own = {"build": lambda config, task: cls(config.steps), "load": lambda folder: cls()}
                return [replace(offer, name="unsure", ignores_voxels=True, **own)]  # type: ignore[arg-type]

        toys.add(Plugin(), "unsure")
        return toys
