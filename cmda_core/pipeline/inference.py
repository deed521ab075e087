"""A trained run at work on new scans: translate, segment, grade."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cmda_core.errors import DataError, ModalityError
from cmda_core.files import replacing
from cmda_core.pipeline.chain import Chain
from cmda_core.pipeline.experiments import load_experiment
from cmda_core.pipeline.folder import RunFolder
from cmda_core.pipeline.plan import make_plan
from cmda_core.pipeline.stages.grade import write_predictions
from cmda_core.pipeline.stages.segment import checked_segmentation
from cmda_core.pipeline.stages.translate import checked_translation
from cmda_core.preparation import note_concerns
from cmda_core.progress import Progress
from cmda_core.protocols import Crop, GradingInput, KoosPrediction
from cmda_core.registry import Registry
from cmda_core.schema import Case, Runtime, Task
from cmda_core.volumes import read_grid, write_volume
from cmda_core.volumes.nifti import case_name


def open_chain(model: Path, registry: Registry, runtime: Runtime | None = None) -> Chain:
    """The trained models of a run.

    Args:
        model: A run folder.
        registry: Where the run's plugins are looked up.
        runtime: Where to work; as in the run's own experiment if left out.

    Raises:
        RunError: If ``model`` is not a run folder.
        UnknownPluginError: If a plugin of the run is not installed.
    """
    folder = RunFolder.existing(model)
    plan = make_plan(load_experiment(str(folder.experiment)), registry)
    return Chain(plan, folder, runtime or plan.experiment.runtime)


def find_scans(inputs: Path, task: Task, modality: str | None = None) -> list[Case]:
    """The scans in a folder, or the one that is named.

    Args:
        inputs: A NIfTI file, or a folder of them.
        task: Its modalities are recognised at the end of file names, as in ``case_hrT2.nii.gz``.
        modality: Of files whose name does not tell; the target's if left out.

    Raises:
        DataError: If there is nothing to read, or a file cannot be read.
    """
    if inputs.is_dir():
        paths = sorted(
            path
            for path in inputs.iterdir()
            if path.name.endswith((".nii", ".nii.gz")) and not path.name.startswith(".")
        )
    elif inputs.exists():
        paths = [inputs]
    else:
        raise DataError(f"{inputs}: no such file or folder.")
    if not paths:
        raise DataError(f"{inputs}: holds no .nii or .nii.gz file.")
    for path in paths:
        read_grid(path)
    return [_scan(path, task, modality or task.target) for path in paths]


def translate_files(
    model: Path,
    inputs: Path,
    out: Path,
    *,
    to: str,
    registry: Registry,
    runtime: Runtime | None = None,
    progress: Progress,
) -> list[Path]:
    """Translate scans; each result is the region of interest, in its place in the scanner.

    Args:
        model: A run folder.
        inputs: A scan or a folder of scans.
        out: Folder for ``CASE_<to>.nii.gz``; intensities are in [-1, 1].
        to: Modality to render.
        registry: Where the run's plugins are looked up.
        runtime: Where to work.
        progress: Shows how far the work has come.

    Raises:
        CmdaError: If the model or a scan cannot be used.
    """
    chain = open_chain(model, registry, runtime)
    task = chain.plan.experiment.task
    origin = task.other(to)
    written = []
    for scan in _each(find_scans(inputs, task, origin), "translate", progress):
        if scan.modality != origin:
            raise ModalityError(f"{scan.image}: is {scan.modality} already; expected {origin}.")
        crop = _prepared(chain, scan, progress)
        name = chain.plan.translator.offer.name
        path = out / f"{scan.id}_{to}.nii.gz"
        write_volume(path, checked_translation(chain.translator, crop.image, to, name))
        written.append(path)
    return written


def segment_files(
    model: Path,
    inputs: Path,
    out: Path,
    *,
    registry: Registry,
    runtime: Runtime | None = None,
    progress: Progress,
) -> list[Path]:
    """Segment scans; ``CASE_Label.nii.gz`` lies on exactly the grid of its scan.

    Raises:
        CmdaError: If the model or a scan cannot be used.
    """
    chain = open_chain(model, registry, runtime)
    segmenter = chain.segmenter()
    written = []
    for scan in _each(find_scans(inputs, chain.plan.experiment.task), "segment", progress):
        crop = _prepared(chain, scan, progress)
        segmentation = checked_segmentation(segmenter, crop.image, chain.plan.segmenter.offer.name)
        path = out / f"{scan.id}_Label.nii.gz"
        write_volume(path, chain.preprocessor.restore(segmentation, crop.pose))
        written.append(path)
    return written


def grade_files(
    model: Path,
    inputs: Path,
    out: Path,
    *,
    registry: Registry,
    runtime: Runtime | None = None,
    progress: Progress,
) -> list[KoosPrediction]:
    """Grade scans and write ``case,class`` and the probabilities to the CSV file ``out``.

    Raises:
        CmdaError: If the model or a scan cannot be used, or ``out`` cannot be written.
    """
    chain = open_chain(model, registry, runtime)
    task = chain.plan.experiment.task
    scans = find_scans(inputs, task)
    with replacing(out) as probe:  # a file that cannot be written is found out before the long work
        probe.write_text("", encoding="utf-8")
        segmenter, grader = chain.segmenter(), chain.grader()
        predictions = []
        for scan in _each(scans, "grade", progress):
            image = _prepared(chain, scan, progress).image
            to = task.other(scan.modality)
            fake = checked_translation(chain.translator, image, to, chain.plan.translator.offer.name)
            mask = checked_segmentation(segmenter, image, chain.plan.segmenter.offer.name).labels
            images = {scan.modality: image, to: fake}
            predictions.append(grader.grade(GradingInput(scan.id, images, mask, scan.modality)))
        write_predictions(probe, predictions)
    return predictions


def _scan(path: Path, task: Task, modality: str) -> Case:
    stem = case_name(path)
    name = stem
    for known in task.modalities:
        if stem.endswith(f"_{known}"):
            modality, name = known, stem.removesuffix(f"_{known}")
    return Case(id=name, subject=name, modality=modality, image=path.resolve())


def _prepared(chain: Chain, case: Case, progress: Progress) -> Crop:
    prepared = chain.preprocessor.prepare(case)
    note_concerns(progress, case.id, case.modality, prepared.concerns)
    return prepared.crops["unaffined"]


def _each(scans: list[Case], verb: str, progress: Progress) -> Iterator[Case]:
    with progress.task(verb, len(scans)) as advance:
        for scan in scans:
            yield scan
            advance(1)
