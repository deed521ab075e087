"""The batches of pre-training: subjects in both modalities, drawn by the number of the step."""

from __future__ import annotations

import torch
from torch import Tensor

from cmda_core.run import Run
from cmda_koosnet.config import KoosNetConfig
from cmda_koosnet.features import FrozenFeatures, View
from cmda_koosnet.sampling import (
    Subjects,
    epoch_steps,
    graded_groups,
    mirror_draws,
    pooled_batch,
    stratified_batch,
    ungraded_groups,
)


class Batches:
    """Draws subjects and reads their features.

    Args:
        source: Features of the cases, in both modalities.
        cases: The annotated and unannotated subjects to learn from.
        config: Batches and epochs.
        run: Seed and device.

    Attributes:
        steps: Number of batches in all epochs.
    """

    def __init__(self, source: FrozenFeatures, cases: Subjects, config: KoosNetConfig, run: Run) -> None:
        self._source = source
        self._members = list(cases)
        self._graded = graded_groups(cases)
        self._groups = self._graded + ungraded_groups(cases)
        self._config = config
        self._seed = run.seed
        self._device = run.fabric.device
        self.steps = config.pretrain_epochs * self._epoch_steps()

    def subjects(self, step: int) -> list[int]:
        """Positions of the N subjects of a step."""
        if self._config.batch == "stratified":
            return stratified_batch(self._groups, step, self._seed)
        return pooled_batch(self._members, self._config.batch_size, step, self._seed)

    def views(self, step: int, subjects: list[int]) -> tuple[Tensor, Tensor]:
        """Features and masks of all subjects in the first modality, then in the second, on the device.

        Returns:
            ``(2 N, C, slices, h, w)`` and ``(2 N, 1, slices, h, w)``.
        """
        mirrored = [False] * len(subjects)
        if self._config.sides == "mirrored-at-random":
            mirrored = mirror_draws(len(subjects), step, self._seed)
        drawn = list(zip(subjects, mirrored, strict=True))
        reader = self._source.reader
        views = [[View(subject, name, flip) for subject, flip in drawn] for name in reader.modalities]
        features = torch.stack(
            [self._source.features(view).to(self._device) for view in [*views[0], *views[1]]]
        )
        masks = torch.stack([reader.mask(view) for view in views[0]])
        return features, masks.to(self._device).repeat(2, 1, 1, 1, 1)

    def _epoch_steps(self) -> int:
        if self._config.batch == "pooled":
            return epoch_steps(len(self._members), min(self._config.batch_size, len(self._members)))
        return epoch_steps(sum(map(len, self._graded)), len(self._graded))
