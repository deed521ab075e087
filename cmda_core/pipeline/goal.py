"""What a run is after, where that is less (or more) than all that its experiment names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cmda_core.hookspecs import GraderOffer
from cmda_core.pipeline.plan import SOURCE_ONLY, Chosen, Plan

ORACLE = "oracle"
"""Entry of the segmenter that was trained on the target modality with its true labels."""

Training = Literal["method", "source-only", "oracle"]
"""What the segmenter learns from: ``method``, source and translated scans; ``source-only``, the lower
bound; ``oracle``, target scans with their held-out labels, the upper bound."""


@dataclass(frozen=True, slots=True)
class Goal:
    """The segmenter, grader and translator whose scores a run is for; only what they need is computed.

    No experiment file can state a goal: the way to the held-out labels that the oracle needs starts
    in the code of a benchmark and nowhere else.

    Attributes:
        segmenter: Whose segmentations are scored; none where grades alone are.
        grader: Whether the experiment's own grader is scored.
        translator: Whether its translations are scored, if there are paired scans to compare them with.
    """

    segmenter: Training | None = "method"
    grader: bool = False
    translator: bool = False

    def scored(self, plan: Plan) -> tuple[str, ...]:
        """Entries whose segmentations are evaluated."""
        names = {"method": plan.entry, "source-only": SOURCE_ONLY, "oracle": ORACLE}
        return (names[self.segmenter],) if self.segmenter else ()

    def trained(self, plan: Plan) -> tuple[str, ...]:
        """Entries whose segmenters are trained: a grader looks at the masks of the method's.

        The last student needs all that taught it.
        """
        scored = self.scored(plan)
        method = plan.learners if self.grader or plan.entry in scored else ()
        return tuple(dict.fromkeys([*method, *scored]))

    def graders(self, plan: Plan) -> tuple[Chosen[GraderOffer], ...]:
        """Graders that are trained and evaluated."""
        return plan.graders[:1] if self.grader else ()
