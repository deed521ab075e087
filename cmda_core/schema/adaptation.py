"""What the segmenter learns from beside source scans and translated ones."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cmda_core.schema.settings import PluginConfig


class IntensityAugmentation(PluginConfig):
    """Copies of translated scans in which structures have another signal.

    After Choi, "Using out-of-the-box frameworks for contrastive unpaired image translation for vestibular
    schwannoma and cochlea segmentation" (crossMoDA 2021), who halved the signal of the tumour.
    """

    factors: tuple[Annotated[float, Field(ge=0, le=4)], ...] = ()
    """What the signal of the structures is multiplied by; each factor makes copies of its own. Choi: 0.5.
    Empty: no copies."""

    mode: Literal["scale", "paint"] = "scale"
    """``scale`` (Choi): multiplies the signal of the structures. ``paint``: they get an even signal with
    soft edges instead, the factor times the median signal of the scan, so that nothing is left of how the
    translator rendered them."""

    spread: float = Field(default=0.0, ge=0, le=1)
    """Each copy draws its factor evenly from ``factor * (1 - spread)`` to ``factor * (1 + spread)``."""

    share: float = Field(default=1.0, gt=0, le=1)
    """Share of the translated scans that are copied for a factor, drawn by the seed."""

    structures: tuple[str, ...] = ()
    """Structures of the task whose signal is changed; empty: the tumour."""


class SelfTraining(PluginConfig):
    """Rounds of teacher and student: the student also learns from target scans that the teacher labelled.

    After COSMOS (Shin et al. 2022, arXiv:2203.16557). The filters are this toolkit's own choice.
    """

    rounds: int = Field(default=0, ge=0, le=10)
    """Students, each the teacher of the next; the last one is the method's segmenter. 0: no self-training."""

    min_confidence: float = Field(default=0.7, ge=0, le=1)
    """A scan is left out if a structure is less certain: mean probability of the structure over the voxels
    that have its label."""

    share: float = Field(default=1.0, gt=0, le=1)
    """At most this share of the target scans is kept, the most confident first; a scan is as confident as
    its least certain structure."""

    complete: bool = True
    """Leave out scans in which a structure of the task was not found."""

    components: dict[str, Annotated[int, Field(ge=1)]] | None = None
    """How many 26-connected components a structure may have; the largest stay. Structures that are not
    named keep all. Empty: one for the tumour, two for a structure called cochlea."""

    voxel_confidence: float = Field(default=0.0, ge=0, le=1)
    """A voxel whose highest probability is lower than this is uncertain. 0: none is."""

    uncertain: Literal["ignore", "background"] = "ignore"
    """``ignore``: the student does not learn from uncertain voxels (its plugin must be able to);
    ``background``: they lose their label."""
