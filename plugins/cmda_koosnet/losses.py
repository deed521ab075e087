"""Contrastive losses of MSF-Koos-Net (equations 5 and 6), the one of the authors' code, and MoCo's.

All are pure functions of L2-normalised embeddings. The sums over anchors in equations 5 and 6 are sums,
as printed; the others are means.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def self_contrast(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Self-supervised contrastive loss across modalities, equation 5.

    The second factor, as printed, sums ``z1(i)·z2(i)`` over j and so is the constant 1/|D|. It is
    read as the other direction, from ``z2(i)`` over all ``z1(j)``, in line with equation 6.

    Args:
        first: z1, shape ``(N, D)``: embeddings of one modality.
        second: z2, shape ``(N, D)``: of the same subjects in the other modality.
        temperature: τ.

    Returns:
        The loss, a scalar.
    """
    forward, backward = _log_softmaxes(first, second, temperature)
    return -(forward.diagonal() + backward.diagonal()).sum()


def supervised_contrast(first: Tensor, second: Tensor, grades: Tensor, temperature: float) -> Tensor:
    """Supervised contrastive loss across modalities, equation 6.

    Args:
        first: q1, shape ``(N, D)``: embeddings of the annotated subjects in one modality.
        second: q2, shape ``(N, D)``: of the same subjects in the other modality.
        grades: Shape ``(N,)``. A subject is a positive of itself, as in the paper's P(i).
        temperature: τ.

    Returns:
        The loss, a scalar; 0 if there are no annotated subjects.
    """
    forward, backward = _log_softmaxes(first, second, temperature)
    # forward[i, p] is the first factor's logarithm; the second one's, of q1(p)·q2(i), is backward[i, p].
    positive = (grades[:, None] == grades[None, :]).to(forward.dtype)
    return -((forward + backward) * positive / positive.sum(dim=1, keepdim=True)).sum()


def supcon(views: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Supervised contrastive loss over all views, L_out of Khosla et al. 2020.

    Args:
        views: Shape ``(V, D)``: embeddings of all images, whatever their modality.
        labels: Shape ``(V,)``: views with the same label attract each other. With the subject's
            number it is the self-supervised loss, with the Koos grade the supervised one.
        temperature: τ.

    Returns:
        The mean over the views that have a positive, a scalar; 0 if none has one.
    """
    views = views.float()
    similarities = views @ views.T / temperature
    itself = torch.eye(len(views), dtype=torch.bool, device=views.device)
    logs = functional.log_softmax(similarities.masked_fill(itself, -torch.inf), dim=1)
    positive = (labels[:, None] == labels[None, :]) & ~itself
    counts = positive.sum(dim=1)
    means = torch.where(positive, logs, 0.0).sum(dim=1) / counts.clamp(min=1)
    return -means.sum() / (counts > 0).sum().clamp(min=1)


def info_nce(queries: Tensor, keys: Tensor, queue: Tensor, allowed: Tensor, temperature: float) -> Tensor:
    """Loss of momentum contrast, equation 1 of He et al. 2020: each query shall find its key.

    Args:
        queries: Shape ``(V, D)``.
        keys: Shape ``(V, D)``: the one that belongs to each query.
        queue: Shape ``(K, D)``: others, to tell it from.
        allowed: Shape ``(V, K)``, boolean: which of those are other ones indeed.
        temperature: τ.

    Returns:
        The mean over the queries, a scalar.
    """
    queries, keys, queue = queries.float(), keys.float(), queue.float()
    right = (queries * keys).sum(dim=1, keepdim=True)
    wrong = (queries @ queue.T).masked_fill(~allowed, -torch.inf)
    logs = functional.log_softmax(torch.cat([right, wrong], dim=1) / temperature, dim=1)
    return -logs[:, 0].mean()


def _log_softmaxes(first: Tensor, second: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Logarithms of p(p | i) from modality 1 to 2, and from 2 to 1, both ``[i, p]``, in at least float32."""
    if first.dtype in (torch.float16, torch.bfloat16):
        first, second = first.float(), second.float()
    similarities = first @ second.T / temperature
    return functional.log_softmax(similarities, dim=1), functional.log_softmax(similarities.T, dim=1)
