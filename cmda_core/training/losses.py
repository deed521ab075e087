"""Losses that translators share. All are means, so that they do not depend on the size of a batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from cmda_core.training.config import Difference


def least_squares(scores: Tensor, wanted: float) -> Tensor:
    """Adversarial loss of LSGAN (Mao et al. 2017): mean of ``(scores - wanted)²``.

    Args:
        scores: What a discriminator returns, any shape.
        wanted: 1 for real, 0 for fake.
    """
    return (scores - wanted).square().mean()


def difference(images: Tensor, wanted: Tensor, kind: Difference = "l1") -> Tensor:
    """Mean absolute difference, or its variant that is quadratic below 1.

    Args:
        images: Any shape.
        wanted: The same shape.
        kind: ``l1`` or ``smooth-l1`` (Huber loss with β = 1).
    """
    if kind == "l1":
        return functional.l1_loss(images, wanted)
    return functional.smooth_l1_loss(images, wanted)


def soft_dice_loss(logits: Tensor, labels: Tensor, smooth: float = 1.0) -> Tensor:
    """One minus the soft Dice coefficient, averaged over all classes.

    Args:
        logits: ``(N, C, ...)``, before softmax.
        labels: ``(N, ...)``, integers from 0 to C - 1.
        smooth: Added to numerator and denominator, in pixels: a class that is neither there nor
            predicted counts as right.
    """
    return _soft_dice(logits.softmax(dim=1), labels, smooth)


def segmentation_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy plus soft Dice loss.

    Args:
        logits: ``(N, C, ...)``, before softmax.
        labels: ``(N, ...)``, integers from 0 to C - 1.
    """
    scores = logits.log_softmax(dim=1)
    # The mean that nll_loss itself takes is another one every time on GPUs.
    cross_entropy = functional.nll_loss(scores, labels, reduction="none").mean()
    return cross_entropy + _soft_dice(scores.exp(), labels, 1.0)


def _soft_dice(probabilities: Tensor, labels: Tensor, smooth: float) -> Tensor:
    # One byte for each class and pixel; one-hot maps have eight, and 209 classes fill the caches as it is.
    classes = torch.arange(probabilities.shape[1], device=labels.device)
    truth = labels.unsqueeze(1) == classes.view(-1, *[1] * (labels.ndim - 1))
    axes = [0, *range(2, probabilities.ndim)]
    overlap = (probabilities * truth).sum(dim=axes)
    sizes = probabilities.sum(dim=axes) + truth.sum(dim=axes)
    return 1 - ((2 * overlap + smooth) / (sizes + smooth)).mean()
