"""What self-training made of the target's training scans, round by round, for the report."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from cmda_core.pseudolabels import PSEUDO_LABELS, Verdict, read_verdicts
from cmda_core.reporting.finished import FinishedRun


@dataclass(frozen=True, slots=True)
class RoundView:
    """The pseudo-labels of one round.

    Attributes:
        teacher: Entry of the segmenter that labelled the scans.
        student: Entry of the segmenter that learnt from them.
        kept: Number of scans that it learnt from.
        structures: Name, mean confidence and mean volume in mm³ of each structure, over the scans kept.
        verdicts: Of every scan.
    """

    teacher: str
    student: str
    kept: int
    structures: tuple[tuple[str, float, float], ...]
    verdicts: tuple[Verdict, ...]


def round_views(run: FinishedRun) -> list[RoundView]:
    """The rounds that have come so far; none without self-training.

    Raises:
        DataError: If a table is damaged.
    """
    views = []
    for teacher, student in pairwise((run.experiment.teacher, *run.experiment.students)):
        path = run.folder / "pseudo-labels" / student / PSEUDO_LABELS
        if path.is_file():
            views.append(_view(teacher, student, tuple(read_verdicts(path))))
    return views


def _view(teacher: str, student: str, verdicts: tuple[Verdict, ...]) -> RoundView:
    kept = [verdict.label for verdict in verdicts if verdict.kept]
    structures = tuple(
        (
            name,
            fmean(label.confidence[name] for label in kept),
            fmean(label.volume_mm3[name] for label in kept),
        )
        for name in (kept[0].confidence if kept else ())
    )
    return RoundView(teacher, student, len(kept), structures, verdicts)
