from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cmda_koosnet.losses import info_nce, self_contrast, supcon, supervised_contrast

TAU = 0.07


def embeddings(count: int, seed: int) -> Tensor:
    draw = np.random.default_rng(seed)
    return functional.normalize(torch.from_numpy(draw.normal(size=(count, 6))), dim=1)


def share(pairs: NDArray[np.float64], numerator: float) -> float:
    return math.exp(numerator / TAU) / sum(math.exp(value / TAU) for value in pairs)


def equation_5(z1: NDArray[np.float64], z2: NDArray[np.float64]) -> float:
    loss = 0.0
    for i in range(len(z1)):
        forward = share(np.array([z1[i] @ z2[j] for j in range(len(z1))]), z1[i] @ z2[i])
        backward = share(np.array([z1[j] @ z2[i] for j in range(len(z1))]), z1[i] @ z2[i])
        loss -= math.log(forward * backward)
    return loss


def equation_6(q1: NDArray[np.float64], q2: NDArray[np.float64], grades: list[int]) -> float:
    count = len(q1)
    loss = 0.0
    for i in range(count):
        positives = [p for p in range(count) if grades[p] == grades[i]]
        for p in positives:
            forward = share(np.array([q1[i] @ q2[j] for j in range(count)]), q1[i] @ q2[p])
            backward = share(np.array([q1[j] @ q2[i] for j in range(count)]), q1[p] @ q2[i])
            loss -= math.log(forward * backward) / len(positives)
    return loss


def khosla(views: NDArray[np.float64], labels: list[int]) -> float:
    losses = []
    for i in range(len(views)):
        others = [a for a in range(len(views)) if a != i]
        positives = [p for p in others if labels[p] == labels[i]]
        if positives:
            denominators = np.array([views[i] @ views[a] for a in others])
            terms = [math.log(share(denominators, views[i] @ views[p])) for p in positives]
            losses.append(-sum(terms) / len(positives))
    return sum(losses) / len(losses)


def moco(
    queries: NDArray[np.float64],
    keys: NDArray[np.float64],
    queue: NDArray[np.float64],
    allowed: list[list[bool]],
) -> float:
    losses = []
    for i, query in enumerate(queries):
        others = [query @ queue[k] for k in range(len(queue)) if allowed[i][k]]
        losses.append(-math.log(share(np.array([query @ keys[i], *others]), query @ keys[i])))
    return sum(losses) / len(losses)


def test_self_contrast_is_equation_5() -> None:
    first, second = embeddings(5, 0), embeddings(5, 1)
    expected = equation_5(first.numpy(), second.numpy())
    assert self_contrast(first, second, TAU).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("grades", [[1, 2, 3, 4, 4], [2, 2, 2, 2, 2], [1, 3, 1, 3, 3]])
def test_supervised_contrast_is_equation_6(grades: list[int]) -> None:
    first, second = embeddings(5, 2), embeddings(5, 3)
    expected = equation_6(first.numpy(), second.numpy(), grades)
    got = supervised_contrast(first, second, torch.tensor(grades), TAU)
    assert got.item() == pytest.approx(expected, rel=1e-9)


def test_with_every_subject_a_grade_of_its_own_equation_6_is_equation_5() -> None:
    first, second = embeddings(4, 4), embeddings(4, 5)
    supervised = supervised_contrast(first, second, torch.arange(4), TAU)
    torch.testing.assert_close(supervised, self_contrast(first, second, TAU))


def test_swapping_the_modalities_changes_nothing() -> None:
    first, second, grades = embeddings(6, 6), embeddings(6, 7), torch.tensor([1, 1, 2, 3, 3, 3])
    torch.testing.assert_close(self_contrast(first, second, TAU), self_contrast(second, first, TAU))
    torch.testing.assert_close(
        supervised_contrast(first, second, grades, TAU), supervised_contrast(second, first, grades, TAU)
    )


@pytest.mark.parametrize("labels", [[0, 1, 2, 0, 1, 2], [1, 1, 1, 2, 2, 3]])
def test_supcon_is_the_loss_of_khosla(labels: list[int]) -> None:
    views = embeddings(6, 8)
    got = supcon(views, torch.tensor(labels), TAU).item()
    assert got == pytest.approx(khosla(views.numpy(), labels), rel=1e-5)


def test_info_nce_is_the_loss_of_he() -> None:
    queries, keys, queue = embeddings(4, 13), embeddings(4, 14), embeddings(7, 15)
    allowed = np.random.default_rng(16).random((4, 7)) < 0.7
    allowed[2] = False
    got = info_nce(queries, keys, queue, torch.from_numpy(allowed), TAU)
    assert got.item() == pytest.approx(
        moco(queries.numpy(), keys.numpy(), queue.numpy(), allowed.tolist()), rel=1e-4
    )


def test_info_nce_without_others_is_nothing_to_learn_from() -> None:
    views = embeddings(3, 17).float().requires_grad_()
    loss = info_nce(views, views.detach(), embeddings(5, 18), torch.zeros(3, 5, dtype=torch.bool), TAU)
    loss.backward()
    assert loss.item() == 0
    assert views.grad is not None
    assert not views.grad.any()


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_paired_embeddings_cost_less_than_shuffled_ones(temperature: float) -> None:
    views = embeddings(6, 9)
    assert self_contrast(views, views, temperature) < self_contrast(views, views.roll(1, 0), temperature)


def test_without_annotated_subjects_the_loss_is_zero_with_a_zero_gradient() -> None:
    views = embeddings(4, 10).requires_grad_()
    none = torch.zeros(0, dtype=torch.long)
    loss = supervised_contrast(views[none], views[none], none, TAU) + supcon(views[none], none, TAU)
    loss.backward()
    assert loss.item() == 0
    assert views.grad is not None
    assert not views.grad.any()


def test_half_precision_is_summed_in_single() -> None:
    first, second = embeddings(5, 11).bfloat16(), embeddings(5, 12).bfloat16()
    loss = self_contrast(first, second, TAU)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, self_contrast(first.float(), second.float(), TAU))
