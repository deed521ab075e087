"""The networks of MSF-Koos-Net (Fig. 3)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

Fusion = Literal["concatenate", "gate"]

_SLOPE = 0.2


class HighEncoder(nn.Module):
    """E_H: 3D convolutions over a stack of 2D features, and a global average.

    Args:
        in_channels: Channels C of the shared encoder's features.
        channels: Channels of every convolution.
        stages: Pairs of convolutions, the first with stride 2, the second with stride 1.
        fusion: How the mask is brought in.
    """

    def __init__(self, in_channels: int, channels: int, stages: int, fusion: Fusion) -> None:
        super().__init__()
        self.gate = nn.Conv3d(1, in_channels, 3, padding=1) if fusion == "gate" else None
        width = in_channels if fusion == "gate" else in_channels + 1
        layers: list[nn.Module] = []
        for _ in range(stages):
            layers += [*_convolution(width, channels, stride=2), *_convolution(channels, channels, stride=1)]
            width = channels
        self.convolutions = nn.Sequential(*layers)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """High-level features of a batch.

        Args:
            features: ``(N, C, slices, h, w)``.
            mask: ``(N, 1, slices, h, w)``: share of tumour in each pixel, 0 to 1.

        Returns:
            ``(N, channels)``.
        """
        if self.gate is None:
            fused = torch.cat([features, mask], dim=1)
        else:
            fused = features * torch.sigmoid(self.gate(mask))
        pooled: Tensor = self.convolutions(fused).mean(dim=(2, 3, 4))
        return pooled


def _convolution(width: int, channels: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv3d(width, channels, 3, stride=stride, padding=1),
        nn.BatchNorm3d(channels),
        nn.LeakyReLU(_SLOPE),
    ]


class ProjectionHead(nn.Module):
    """F_self or F_sup: two layers and L2 normalisation, ``(N, C)`` to ``(N, out)``."""

    def __init__(self, in_channels: int, hidden: int, out: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(in_channels, hidden), nn.ReLU(), nn.Linear(hidden, out))

    def forward(self, pooled: Tensor) -> Tensor:
        """Unit vectors."""
        return functional.normalize(self.layers(pooled), dim=1)


class ContrastiveNet(nn.Module):
    """What is pre-trained: E_H and both projection heads."""

    def __init__(self, high: HighEncoder, own: ProjectionHead, supervised: ProjectionHead) -> None:
        super().__init__()
        self.high = high
        self.own = own
        self.supervised = supervised

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings z for equation 5 and q for equation 6, ``(N, D)`` each."""
        pooled = self.high(features, mask)
        return self.own(pooled), self.supervised(pooled)


class MomentumNet(nn.Module):
    """What momentum contrast trains: E_H and one projection head, MoCo v2's MLP."""

    def __init__(self, high: HighEncoder, head: ProjectionHead) -> None:
        super().__init__()
        self.high = high
        self.head = head

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Embeddings ``(N, D)``, unit vectors."""
        embeddings: Tensor = self.head(self.high(features, mask))
        return embeddings


class KeyQueue(nn.Module):
    """The latest keys of momentum contrast and whose they are, newest first.

    Args:
        size: Keys; random directions of nobody at first (He et al. 2020).
        width: Of a key.
    """

    keys: Tensor
    owners: Tensor

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.register_buffer("keys", functional.normalize(torch.randn(size, width), dim=1))
        self.register_buffer("owners", torch.full((size,), -1))

    def push(self, keys: Tensor, owners: Tensor) -> None:
        """Take in ``(V, D)`` keys of ``(V,)`` subjects; the oldest ones go."""
        size = len(self.keys)
        self.keys = torch.cat([keys.to(self.keys.dtype), self.keys])[:size]
        self.owners = torch.cat([owners, self.owners])[:size]


class TunedNet(nn.Module):
    """What is fine-tuned where nothing is frozen: E, E_H and the classifier.

    Args:
        encoder: Maps ``(n, 3, H, W)`` to ``(n, C, h, w)``.
        high: E_H.
        classifier: The last layer.
        encoder_batch: Slices that go through the encoder at once.
    """

    def __init__(
        self, encoder: nn.Module, high: HighEncoder, classifier: nn.Linear, encoder_batch: int
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.high = high
        self.classifier = classifier
        self._encoder_batch = encoder_batch

    def forward(self, triples: Tensor, mask: Tensor) -> Tensor:
        """Scores of the four grades.

        Args:
            triples: 2.5D inputs, ``(N, slices, 3, H, W)``.
            mask: ``(N, 1, slices, h, w)``.

        Returns:
            ``(N, 4)``, before the softmax.
        """
        count, slices = triples.shape[:2]
        # Recomputed in the backward pass: 32 slices of several subjects do not fit into memory otherwise.
        parts = [
            checkpoint(self.encoder, part, use_reentrant=False)
            if torch.is_grad_enabled()
            else self.encoder(part)
            for part in triples.flatten(0, 1).split(self._encoder_batch)
        ]
        features = torch.cat(parts).unflatten(0, (count, slices)).transpose(1, 2)
        scores: Tensor = self.classifier(self.high(features, mask))
        return scores
