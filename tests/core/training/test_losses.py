import numpy as np
import pytest
import torch

from cmda_core.training.losses import difference, least_squares, segmentation_loss, soft_dice_loss


def _draw(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=shape))


def test_least_squares_against_a_loop() -> None:
    scores = _draw(2, 1, 3, 2)
    expected = np.mean([(value - 1) ** 2 for value in scores.flatten().tolist()])
    assert least_squares(scores, 1).item() == pytest.approx(expected, abs=1e-12)


def test_smooth_l1_is_quadratic_below_one_and_linear_above() -> None:
    images = torch.tensor([0.5, 3.0], dtype=torch.float64)
    wanted = torch.zeros(2, dtype=torch.float64)
    assert difference(images, wanted, "smooth-l1").item() == pytest.approx((0.5 * 0.25 + 2.5) / 2)
    assert difference(images, wanted, "l1").item() == pytest.approx(1.75)


def test_soft_dice_against_a_loop() -> None:
    logits, labels = _draw(2, 3, 4, 5), torch.from_numpy(np.random.default_rng(1).integers(0, 3, (2, 4, 5)))
    shares = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(axis=1, keepdims=True)
    scores = []
    for label in range(3):
        overlap = size = 0.0
        for sample, row, column in np.ndindex(2, 4, 5):
            share, truth = shares[sample, label, row, column], float(labels[sample, row, column] == label)
            overlap += share * truth
            size += share + truth
        scores.append((2 * overlap + 1) / (size + 1))
    assert soft_dice_loss(logits, labels).item() == pytest.approx(1 - np.mean(scores), abs=1e-12)


def test_a_class_that_is_absent_and_not_predicted_costs_nothing() -> None:
    labels = torch.zeros(1, 4, 4, dtype=torch.long)
    logits = torch.zeros(1, 3, 4, 4, dtype=torch.float64)
    logits[:, 0] = 60
    assert soft_dice_loss(logits, labels).item() == pytest.approx(0, abs=1e-9)


def test_segmentation_loss_adds_cross_entropy() -> None:
    logits, labels = _draw(2, 3, 4, 5), torch.from_numpy(np.random.default_rng(1).integers(0, 3, (2, 4, 5)))
    shares = torch.log_softmax(logits, dim=1)
    picked = [
        -shares[sample, labels[sample, row, column], row, column].item()
        for sample, row, column in np.ndindex(2, 4, 5)
    ]
    expected = np.mean(picked) + soft_dice_loss(logits, labels).item()
    assert segmentation_loss(logits, labels).item() == pytest.approx(expected, abs=1e-12)
