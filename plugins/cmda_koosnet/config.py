"""Settings of MSF-Koos-Net."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from cmda_core.koos import Decision
from cmda_core.schema import PluginConfig


class MomentumConfig(PluginConfig):
    """Settings of ``contrastive: moco``; the defaults are MoCo v2's, but for the queue."""

    momentum: float = Field(default=0.999, ge=0, lt=1)
    """Share of itself that the slow encoder keeps at each step; in step n at most (1 + n) / (10 + n), so
    that it does not begin with what belongs to no image (ours)."""

    queue: int = Field(default=256, ge=1)
    """Earlier outputs of the slow encoder to tell a subject from. MoCo keeps 65,536 of 1.3 million
    images; a cohort has hundreds."""

    temperature: float = Field(default=0.2, gt=0)
    """τ of the loss (MoCo v2; the first version had 0.07)."""


class KoosNetConfig(PluginConfig):
    """Settings of MSF-Koos-Net; the defaults are the paper's (section 3.3 and 4.1)."""

    slices: int = Field(default=32, ge=4)
    """Slices that E_H sees, centred on the tumour (authors' code)."""

    window: int | None = Field(default=None, ge=16)
    """Edge in pixels of the square around the tumour that is looked at; empty: the whole slice."""

    sides: Literal["as-acquired", "aligned", "mirrored-at-random"] = "as-acquired"
    """``aligned`` mirrors cases so that every tumour lies on the same side; ``mirrored-at-random``
    mirrors half of the training samples. The paper states neither."""

    mask_fusion: Literal["concatenate", "gate"] = "concatenate"
    """How the tumour mask meets the features: ``concatenate`` as one more channel (paper), or ``gate``:
    a 3x3x3 convolution of the mask, through a sigmoid, multiplied with them (authors' code)."""

    channels: int = Field(default=512, ge=1)
    """Channels of E_H."""

    stages: int = Field(default=3, ge=1, le=5)
    """Pairs of 3x3x3 convolutions in E_H; the first of each pair halves the size."""

    projection_channels: tuple[int, int] = (256, 128)
    """Hidden and output size of the projection heads F_self and F_sup."""

    pretrain: bool = True
    """Pre-train E_H by contrast; off: the paper's ablation "without contrastive learning"."""

    freeze: bool = True
    """Tune the classifier alone; off: E, E_H and the classifier, the paper's ablation "not frozen"."""

    contrastive: Literal["cross-modal", "supcon", "moco"] = "cross-modal"
    """``cross-modal``: equations 5 and 6. ``supcon``: the supervised contrastive loss over all views
    (Khosla et al. 2020), as in the authors' code. ``moco``: momentum contrast (MoCo v2, Chen et al. 2020),
    which learns from the subjects alone and not from their grades."""

    moco: MomentumConfig = MomentumConfig()
    """Momentum contrast."""

    temperature: float = Field(default=0.07, gt=0)
    """τ of the contrastive losses (authors' code); ``moco`` has its own."""

    self_weight: float = Field(default=1.0, ge=0)
    """Weight of the self-supervised loss, equation 5; not of ``moco``."""

    supervised_weight: float = Field(default=1.0, ge=0)
    """Weight of the supervised loss, equation 6; not of ``moco``."""

    batch: Literal["pooled", "stratified"] = "pooled"
    """Subjects of a pre-training step: ``pooled`` takes ``batch_size`` of all; ``stratified`` one of each
    grade and, where there are any, one ungraded of each real modality (authors' code)."""

    batch_size: int = Field(default=4, ge=2)
    """Subjects, each in both modalities, per step of a ``pooled`` pre-training."""

    pretrain_epochs: int = Field(default=100, ge=1)
    """Passes over the subjects in pre-training."""

    pretrain_learning_rate: float = Field(default=1e-2, gt=0)
    """Learning rate of Adam in pre-training."""

    epochs: int = Field(default=20, ge=1)
    """Passes over the annotated subjects in fine-tuning, with one of each grade per step."""

    learning_rate: float = Field(default=1e-4, gt=0)
    """Learning rate of Adam in fine-tuning."""

    folds: int = Field(default=1, ge=1, le=20)
    """Models whose probabilities are averaged. With more than one, each leaves out its share of the
    annotated cases. The authors' code has 5; the paper states none."""

    inference: Literal["target", "real", "both"] = "target"
    """Which image is graded, in a run and by ``cmda grade`` alike: that of the target modality (authors'
    code), the real one, or both, the real and the translated one, with their probabilities averaged."""

    decision: Decision = "argmax"
    """How the grade follows from the probabilities."""

    feature_cache_gb: float = Field(default=8.0, ge=0)
    """Features of the frozen encoder are kept on disk while training, if all fit into so many GB."""

    encoder_batch: int = Field(default=32, ge=1)
    """Slices that go through E at once; less needs less memory and changes nothing else."""

    save_every: int = Field(default=200, ge=1)
    """Steps between two checkpoints."""

    log_every: int = Field(default=20, ge=1)
    """Steps between two lines of the log."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.freeze and not self.pretrain:
            raise ValueError("without pretrain, E_H has random weights: set freeze to false as well")
        if self.pretrain and not self.self_weight and not self.supervised_weight:
            raise ValueError("self_weight and supervised_weight are both 0: set pretrain to false instead")
        return self
