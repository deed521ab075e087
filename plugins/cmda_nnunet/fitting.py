"""From a cohort to a trained nnU-Net: fingerprint, plans, preprocessed cases, folds.

Every step leaves its result in the folder when it is complete, and is skipped if it finds it there.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cmda_core.errors import ConfigError
from cmda_core.progress import Advance
from cmda_core.run import Run
from cmda_core.schema import Cohort, Task
from cmda_nnunet.config import NnUnetConfig
from cmda_nnunet.dataset import (
    dataset_description,
    preprocess,
    write_description,
    write_fingerprint,
)
from cmda_nnunet.folds import split_subjects
from cmda_nnunet.model import Model
from cmda_nnunet.planning import data_folder, make_plans
from cmda_nnunet.trainer import Fold, Split
from cmda_nnunet.training import FoldSetup, train_fold
from cmda_nnunet.weights import Weights
from cmda_nnunet.workers import WorkersError


def fit_model(
    config: NnUnetConfig, task: Task, cohort: Cohort, run: Run, folder: Path, ignore: int | None = None
) -> Model:
    """Train all folds, going on where an interrupted call was.

    Args:
        config: Settings.
        task: Structures to learn.
        cohort: Labelled cases of both modalities.
        run: Device, seed, processes, log and progress.
        folder: Holds all intermediate files.
        ignore: Label of voxels that nothing is to be learnt from, if there are any.

    Raises:
        ConfigError: If a fold is asked for that there is not.
        DataError: If a case cannot be used, or there are fewer subjects than folds.
    """
    splits = choose_splits(config, cohort)
    run.progress.note("nnU-Net: measuring and preparing the cases")
    description = dataset_description(cohort, task, ignore)
    write_description(description, folder)
    write_fingerprint(cohort, folder, run.jobs, ignore, run.progress)
    plans = make_plans(config, folder)
    preprocess(cohort, plans, description, data_folder(plans, folder), run.jobs, run.progress)
    structures = tuple(sorted(task.structures, key=task.structures.__getitem__))
    trained: dict[str, Weights] = {}
    with run.progress.task("train nnU-Net", len(splits) * config.epochs) as advance:
        for fold, split in splits.items():
            checkpoint = folder / f"fold_{fold}" / "checkpoint.safetensors"
            log = "training" if len(splits) == 1 else f"training_fold_{fold}"
            workers = config.augmentation_workers
            setup = FoldSetup(config, plans, description, structures, fold, split, checkpoint, log, workers)
            trained[str(fold)] = _train_fold(setup, run, advance)
    return Model(plans, description, trained)


def _train_fold(setup: FoldSetup, run: Run, advance: Advance) -> Weights:
    """Train a fold; if a worker process dies, from the last checkpoint and without workers."""
    told = 0

    def tell(epochs: int) -> None:
        nonlocal told
        told += epochs
        advance(epochs)

    try:
        return train_fold(setup, run, tell)
    except WorkersError as error:
        reason = str(error).partition("\n")[0]
    run.progress.note(
        f"nnU-Net: an augmentation worker died or could not start ({reason}), as when memory or shared "
        "memory (/dev/shm, docker's --shm-size) is short. The training goes on from the last checkpoint "
        "without workers, to the same result. segmenter.augmentation_workers=0 starts none."
    )
    advance(-told)
    return train_fold(replace(setup, workers=0), run, advance)


def choose_splits(config: NnUnetConfig, cohort: Cohort) -> dict[Fold, Split]:
    """Training and validation cases of every fold that is to be trained.

    Raises:
        ConfigError: If a fold is asked for that there is not.
        DataError: If there are fewer subjects than folds.
    """
    if config.folds == "all":
        names = [case.id for case in cohort]
        return {"all": (names, names)}
    if max(config.folds) >= config.fold_count:
        raise ConfigError(
            f"segmenter.folds = {config.folds}: with segmenter.fold_count = {config.fold_count} "
            f"the last fold is {config.fold_count - 1}."
        )
    splits = split_subjects(cohort, config.fold_count)
    return {fold: splits[fold] for fold in config.folds}
