"""The oracle: a segmenter that learns from the true labels of the target modality.

It is no method but the upper bound of all methods. Apart from the evaluation this is the only
module that opens the held-out reference, and a run has its stages only if its goal is the oracle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from cmda_core.errors import DataError
from cmda_core.evaluation.references import References
from cmda_core.pipeline.goal import ORACLE
from cmda_core.pipeline.stages.labels import in_labels_of_task
from cmda_core.pipeline.stages.prepare import LABELS, prepare_cohort
from cmda_core.pipeline.stages.segment import pooled, segment
from cmda_core.pipeline.stages.workshop import Stage, Workshop
from cmda_core.protocols import SegmentationData
from cmda_core.schema import Cohort

_PREPARED = "prepared-oracle"
_COHORT = "target.json"


def oracle_stages(workshop: Workshop, reference_facts: object) -> list[Stage]:
    """Preparation with labels, training and segmentation of the oracle.

    Args:
        workshop: Of the run.
        reference_facts: What tells one reference from another.
    """
    chosen, folder = workshop.plan.segmenter, workshop.folder.stage
    labels = {"reference": reference_facts}
    train_key = f"train-segmenter:{ORACLE}"
    return [
        Stage("prepare", folder(_PREPARED), labels, ("prepare",), prepare_labelled, ORACLE, may_know=True),
        Stage(
            "train-segmenter",
            folder("segmenter", ORACLE),
            chosen.identity,
            (f"prepare:{ORACLE}",),
            train_oracle,
            ORACLE,
            chosen.check,
        ),
        Stage(
            "segment",
            folder("segmented", ORACLE),
            {},
            ("prepare", train_key),
            partial(segment, entry=ORACLE),
            ORACLE,
        ),
    ]


def prepare_labelled(workshop: Workshop, folder: Path) -> None:
    """Prepare the target's training scans once more, this time with their labels.

    Raises:
        DataError: If the reference lacks the labels of a training scan.
    """
    target = workshop.dataset.target
    labels = _labels_of(target, workshop)
    cases = tuple(case.model_copy(update={"labels": labels[case.id]}) for case in target)
    labelled = replace(workshop.dataset, source=Cohort(name="target (labelled)", cases=cases))
    labelled = in_labels_of_task(labelled, folder / LABELS, workshop.run(folder))
    prepare_cohort(workshop, labelled.source, ("unaffined",), folder, _COHORT)


def train_oracle(workshop: Workshop, folder: Path) -> None:
    """Train the segmenter on labelled target scans alone."""
    chosen = workshop.plan.segmenter
    cohort = Cohort.load(workshop.folder.stage(_PREPARED, "unaffined") / _COHORT)
    workshop.fit(chosen, SegmentationData(pooled([cohort])), folder)


def _labels_of(target: Cohort, workshop: Workshop) -> Mapping[str, Path]:
    reference = workshop.plan.experiment.data.reference
    if reference is None:
        raise DataError("oracle: needs true labels of the target modality. Set data.reference.")
    labels = References.find(reference).labels
    missing = [case.id for case in target if case.id not in labels]
    if missing:
        raise DataError(
            f"oracle: {reference} lacks the labels of {len(missing)} of {len(target)} training scans "
            f"({', '.join(missing[:3])}). The oracle needs all of them."
        )
    return labels
