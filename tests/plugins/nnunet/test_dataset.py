from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cmda_core.errors import ConfigError, DataError
from cmda_core.schema import Case, Cohort, Task, parse_settings
from cmda_core.volumes import Volume
from cmda_nnunet.config import NnUnetConfig
from cmda_nnunet.surroundings import environment, nnunet_surroundings

with environment({"nnUNet_n_proc_DA": "0", "nnUNet_def_n_proc": "1"}):
    from cmda_nnunet.dataset import (
        PreprocessedCases,
        dataset_description,
        preprocess,
        properties_of,
        split_subjects,
        to_array,
        write_description,
        write_fingerprint,
    )
    from cmda_nnunet.planning import data_folder, make_plans


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


def test_too_few_subjects_for_the_folds(cohort: Cohort) -> None:
    with pytest.raises(DataError, match="3 subjects cannot be split into 5 folds"):
        split_subjects(cohort, 5)


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


def test_unlike_folds_only() -> None:
    with pytest.raises(ConfigError, match="different numbers"):
        parse_settings(NnUnetConfig, {"folds": [0, 0]}, "segmenter")
