"""A trained model at work on new scans: translate, segment, grade."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cmda_core.errors import ModalityError, OutputError
from cmda_core.files import replacing
from cmda_core.pipeline.batch import Batch, each_scan
from cmda_core.pipeline.chain import Chain
from cmda_core.pipeline.opening import opened_chain
from cmda_core.pipeline.promises import (
    checked_grade,
    checked_preparation,
    checked_restoration,
    checked_segmentation,
    checked_translation,
)
from cmda_core.pipeline.scans import find_scans, find_target_scans, require_unique
from cmda_core.pipeline.stages.grade import write_predictions
from cmda_core.pipeline.submission import GRADES, ChallengeYear, Submission, submission, write_grades
from cmda_core.preparation import note_concerns
from cmda_core.progress import Progress
from cmda_core.protocols import Crop, Grader, GradingInput, KoosPrediction, Segmenter
from cmda_core.registry import Registry
from cmda_core.schema import Case, Task
from cmda_core.volumes import write_volume


def translate_files(
    model: Path,
    inputs: Path,
    out: Path,
    *,
    to: str,
    registry: Registry,
    runtime: Mapping[str, object] | None = None,
    progress: Progress,
) -> Batch[Path]:
    """Translate scans; each result is the region of interest, in its place in the scanner.

    Args:
        model: A run folder or a bundle.
        inputs: A scan or a folder of scans.
        out: Folder for ``CASE_<to>.nii.gz``; intensities are in [-1, 1].
        to: Modality to render.
        registry: Where the model's plugins are looked up.
        runtime: What to change in the model's runtime, such as ``{"device": "cpu"}``.
        progress: Shows how far the work has come.

    Returns:
        The files, and what was wrong with the scans that could not be translated.

    Raises:
        CmdaError: If the model cannot be used, a scan is of the modality ``to`` already, or there is
            one scan and it cannot be used.
    """
    with opened_chain(model, registry, runtime) as chain:
        task = chain.plan.experiment.task
        origin = task.other(to)
        scans = find_scans(inputs, task, origin)
        for scan in scans:
            if scan.modality != origin:
                raise ModalityError(f"{scan.image}: is {scan.modality} already; expected {origin}.")
        require_unique(scans)

        def work(scan: Case) -> Path:
            path = out / f"{scan.id}_{to}.nii.gz"
            image = _prepared(chain, scan, progress).image
            label = chain.plan.translator.label
            write_volume(path, checked_translation(chain.translator, image, to, label))
            return path

        return each_scan(scans, work, verb="translate", progress=progress)


def segment_files(
    model: Path,
    inputs: Path,
    out: Path,
    *,
    challenge: ChallengeYear | None = None,
    registry: Registry,
    runtime: Mapping[str, object] | None = None,
    progress: Progress,
) -> Batch[Path]:
    """Segment scans; a label map lies on exactly the grid of its scan.

    Args:
        model: A run folder or a bundle.
        inputs: A scan or a folder of scans.
        out: Folder for ``CASE_Label.nii.gz``, or what the challenge asks for.
        challenge: Year of the crossMoDA challenge: segment the scans of the target modality only, and
            name files and number structures as that year did.
        registry: Where the model's plugins are looked up.
        runtime: What to change in the model's runtime, such as ``{"device": "cpu"}``.
        progress: Shows how far the work has come.

    Returns:
        The files, and what was wrong with the scans that could not be segmented.

    Raises:
        CmdaError: If the model cannot be used, or there is one scan and it cannot be used.
        ConfigError: If the model lacks a structure of the challenge.
    """
    with opened_chain(model, registry, runtime) as chain:
        task = chain.plan.experiment.task
        files = submission(challenge) if challenge else None
        if files:
            files.values(task)
        scans = _scans(inputs, task, files)
        segmenter = chain.segmenter()

        def work(scan: Case) -> Path:
            crop = _prepared(chain, scan, progress)
            segmentation = checked_segmentation(segmenter, crop.image, task, chain.plan.segmenter.label)
            labels = checked_restoration(
                chain.preprocessor, segmentation, crop.pose, task, chain.plan.preprocessor.label
            )
            path = out / (files.labels.format(case=scan.id) if files else f"{scan.id}_Label.nii.gz")
            write_volume(path, files.renumbered(labels, task) if files else labels)
            return path

        return each_scan(scans, work, verb="segment", progress=progress)


def grade_files(
    model: Path,
    inputs: Path,
    out: Path,
    *,
    challenge: ChallengeYear | None = None,
    registry: Registry,
    runtime: Mapping[str, object] | None = None,
    progress: Progress,
) -> Batch[KoosPrediction]:
    """Grade scans and write ``case,class`` and the probabilities to a CSV file.

    Args:
        model: A run folder or a bundle.
        inputs: A scan or a folder of scans.
        out: The CSV file; with ``challenge`` also the folder for ``predictions.csv``.
        challenge: Year of the crossMoDA challenge: grade the scans of the target modality only, and
            write the table as that year did.
        registry: Where the model's plugins are looked up.
        runtime: What to change in the model's runtime, such as ``{"device": "cpu"}``.
        progress: Shows how far the work has come.

    Returns:
        The grades, and what was wrong with the scans that could not be graded; those are not in the
        table. What was at ``out`` before stays if no scan could be graded.

    Raises:
        CmdaError: If the model cannot be used, ``out`` cannot be written, or there is one scan and it
            cannot be used.
    """
    files = submission(challenge) if challenge else None
    path = out / GRADES if files and out.suffix.lower() != ".csv" else out
    write = write_grades if files else write_predictions
    with opened_chain(model, registry, runtime) as chain:
        scans = _scans(inputs, chain.plan.experiment.task, files)
        _require_writable(path)
        segmenter, grader = chain.segmenter(), chain.grader()
        graded = each_scan(
            scans,
            lambda scan: _graded(chain, segmenter, grader, scan, progress),
            verb="grade",
            progress=progress,
        )
        if graded.done:
            write(path, graded.done)
    return graded


def _graded(
    chain: Chain, segmenter: Segmenter, grader: Grader, scan: Case, progress: Progress
) -> KoosPrediction:
    image = _prepared(chain, scan, progress).image
    to = chain.plan.experiment.task.other(scan.modality)
    plan, task = chain.plan, chain.plan.experiment.task
    fake = checked_translation(chain.translator, image, to, plan.translator.label)
    mask = checked_segmentation(segmenter, image, task, plan.segmenter.label).labels
    subject = GradingInput(scan.id, {scan.modality: image, to: fake}, mask, scan.modality)
    return checked_grade(grader, subject, plan.graders[0].label)


def _scans(inputs: Path, task: Task, files: Submission | None) -> list[Case]:
    scans = find_target_scans(inputs, task, files.scans) if files else find_scans(inputs, task)
    require_unique(scans)
    return scans


def _require_writable(path: Path) -> None:
    """Find out before the long work that a file cannot be written.

    Raises:
        OutputError: If it cannot.
    """
    if path.is_dir():
        raise OutputError(f"{path}: is a folder. Name a CSV file in it.")
    probe = path.with_name(f".probe.{path.name}")
    with replacing(probe) as temporary:
        temporary.write_text("", encoding="utf-8")
    probe.unlink()


def _prepared(chain: Chain, case: Case, progress: Progress) -> Crop:
    label = chain.plan.preprocessor.label
    prepared = checked_preparation(chain.preprocessor, case, label, ("unaffined",))
    note_concerns(progress, case.id, case.modality, prepared.concerns)
    return prepared.crops["unaffined"]
