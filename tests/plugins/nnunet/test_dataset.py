from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cmda_core.errors import ConfigError, DataError
from cmda_core.schema import Case, Cohort, Task, parse_settings
from cmda_core.volumes import LabelVolume, Volume, read_labels, write_volume
from cmda_nnunet.config import NnUnetConfig
from cmda_nnunet.folds import split_subjects
from cmda_nnunet.plugin import check
from cmda_nnunet.surroundings import environment, nnunet_surroundings

with environment({"nnUNet_n_proc_DA": "0", "nnUNet_def_n_proc": "1"}):
    from cmda_nnunet.dataset import (
        PreprocessedCases,
        dataset_description,
        labels_of,
        preprocess,
        properties_of,
        to_array,
        write_description,
        write_fingerprint,
    )
    from cmda_nnunet.planning import data_folder, make_plans
    from cmda_nnunet.trainer import make_trainer


def test_arrays_and_spacings_run_from_k_to_i() -> None:
    voxels = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    volume = Volume(voxels, np.diag([-0.4, -0.5, 1.5, 1.0]), "hrT2", "case")
    array = to_array(volume)
    assert array.shape == (1, 4, 3, 2)
    assert array[0, 3, 2, 1] == voxels[1, 2, 3]
    assert properties_of(volume)["spacing"] == pytest.approx([1.5, 0.5, 0.4])


def test_both_modalities_of_a_subject_are_on_one_side() -> None:
    cases = tuple(
        Case(id=f"{subject}_{modality}", subject=f"{subject}", modality=modality, image=Path("x.nii"))
        for subject in range(11)
        for modality in ("ceT1", "hrT2")
    )
    splits = split_subjects(Cohort(name="many", cases=cases), 5)
    validated = [case for _, validation in splits for case in validation]
    assert sorted(validated) == sorted(case.id for case in cases)
    for training, validation in splits:
        assert len(training) + len(validation) == len(cases)
        assert not {name.split("_")[0] for name in training} & {name.split("_")[0] for name in validation}
        assert 4 <= len(validation) <= 6


def test_too_few_subjects_for_the_folds_are_found_before_anything_is_trained(cohort: Cohort) -> None:
    with pytest.raises(DataError, match="3 subjects cannot be split into 5 folds"):
        split_subjects(cohort, 5)
    with pytest.raises(DataError, match="3 subjects cannot be split into 5 folds"):
        check(NnUnetConfig(), cohort)
    check(NnUnetConfig(fold_count=3), cohort)
    check(NnUnetConfig(folds="all"), cohort)


def test_cases_without_labels_are_refused(cohort: Cohort) -> None:
    case = cohort.cases[0].model_copy(update={"labels": None})
    with pytest.raises(DataError, match="has no labels"):
        dataset_description(Cohort(name="bare", cases=(case,)), Task())


def test_preprocessed_cases_are_normalised_and_know_their_foreground(
    cohort: Cohort, tiny: NnUnetConfig, tmp_path: Path
) -> None:
    with nnunet_surroundings(tmp_path, 1):
        description = dataset_description(cohort, Task())
        write_description(description, tmp_path)
        write_fingerprint(cohort, tmp_path, 1)
        plans = make_plans(tiny, tmp_path)
        folder = data_folder(plans, tmp_path)
        preprocess(cohort, plans, description, folder, 1)
    fullres = plans["configurations"]["3d_fullres"]
    assert fullres["patch_size"] == [8, 16, 16]
    assert fullres["architecture"]["arch_kwargs"]["features_per_stage"] == [4, 8, 8]
    image, labels, _, properties = PreprocessedCases(folder, ["s1_ceT1"]).load_case("s1_ceT1")
    assert image.shape == labels.shape == (1, 12, 24, 20)
    assert image.mean() == pytest.approx(0, abs=1e-4)
    assert image.std() == pytest.approx(1, abs=1e-4)
    for label in (1, 2):
        locations = properties["class_locations"][label]
        assert len(locations) == (labels == label).sum()
        assert (labels[tuple(locations.T)] == label).all()


def test_ignored_voxels_are_neither_sampled_nor_learnt_from(
    cohort: Cohort, tiny: NnUnetConfig, tmp_path: Path
) -> None:
    case = cohort["s1_ceT1"]
    known = read_labels(labels_of(case), case.id)
    voxels = known.voxels.copy()
    voxels[:, :12] = 3
    write_volume(tmp_path / "part.nii", LabelVolume(voxels, known.affine, case.id))
    part = Cohort(name="part", cases=(case.model_copy(update={"labels": tmp_path / "part.nii"}),))
    config = tiny.model_copy(update={"deep_supervision": False})
    with nnunet_surroundings(tmp_path, 1):
        description = dataset_description(part, Task(), ignore=3)
        write_description(description, tmp_path)
        write_fingerprint(part, tmp_path, 1, ignore=3)
        plans = make_plans(config, tmp_path)
        preprocess(part, plans, description, data_folder(plans, tmp_path), 1)
        split = ([case.id], [case.id])
        trainer = make_trainer(config, plans, description, "all", split, torch.device("cpu"))
        data, _ = trainer.get_tr_and_val_datasets()
    _, labels, _, properties = data.load_case(case.id)
    annotated = properties["class_locations"][-1, 0, 1, 2]
    assert len(annotated) == (labels != 3).sum() == labels.size / 2
    assert (labels[tuple(annotated.T)] != 3).all()
    assert 3 not in properties["class_locations"]

    target = torch.from_numpy(labels.astype(np.float32))[None]
    logits = torch.randn(1, 3, *labels.shape[1:])
    other = logits + torch.randn_like(logits)
    beneath, around = torch.where(target == 3, other, logits), torch.where(target == 3, logits, other)
    loss = float(trainer.loss(logits, target))
    assert float(trainer.loss(beneath, target)) == pytest.approx(loss, abs=1e-6)
    assert float(trainer.loss(around, target)) != pytest.approx(loss, abs=1e-3)


def test_unlike_folds_only() -> None:
    with pytest.raises(ConfigError, match="different numbers"):
        parse_settings(NnUnetConfig, {"folds": [0, 0]}, "segmenter")
