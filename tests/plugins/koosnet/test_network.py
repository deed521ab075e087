from __future__ import annotations

import pytest
import torch
from torch import nn

from cmda_koosnet.network import HighEncoder, ProjectionHead, TunedNet


def test_the_high_encoder_has_the_published_layers() -> None:
    with torch.device("meta"):
        high = HighEncoder(256, 512, 3, "concatenate")
        pooled = high(torch.empty(2, 256, 32, 64, 64), torch.empty(2, 1, 32, 64, 64))
        trunk = high.convolutions(torch.empty(2, 257, 32, 64, 64))
    assert pooled.shape == (2, 512)
    assert trunk.shape == (2, 512, 4, 8, 8)
    convolutions = [layer for layer in high.convolutions if isinstance(layer, nn.Conv3d)]
    assert [layer.stride[0] for layer in convolutions] == [2, 1, 2, 1, 2, 1]
    assert [layer.in_channels for layer in convolutions] == [257, 512, 512, 512, 512, 512]
    assert {(layer.out_channels, layer.kernel_size) for layer in convolutions} == {(512, (3, 3, 3))}
    assert sum(isinstance(layer, nn.BatchNorm3d) for layer in high.convolutions) == 6


@pytest.mark.parametrize("fusion", ["concatenate", "gate"])
def test_the_mask_changes_the_features(fusion: str) -> None:
    torch.manual_seed(0)
    high = HighEncoder(3, 4, 1, fusion).eval()  # type: ignore[arg-type]
    features = torch.rand(1, 3, 4, 6, 6)
    mask = torch.zeros(1, 1, 4, 6, 6)
    assert not torch.equal(high(features, mask), high(features, torch.ones_like(mask)))


def test_a_gate_is_a_sigmoid_of_a_convolved_mask() -> None:
    torch.manual_seed(0)
    high = HighEncoder(3, 4, 1, "gate").eval()
    features, mask = torch.rand(2, 3, 4, 6, 6), torch.rand(2, 1, 4, 6, 6)
    assert high.gate is not None
    gated = features * torch.sigmoid(nn.functional.conv3d(mask, high.gate.weight, high.gate.bias, padding=1))
    torch.testing.assert_close(high(features, mask), high.convolutions(gated).mean(dim=(2, 3, 4)))


def test_projections_are_unit_vectors() -> None:
    projected = ProjectionHead(8, 6, 4)(torch.rand(5, 8))
    torch.testing.assert_close(projected.norm(dim=1), torch.ones(5))


def test_encoding_in_parts_gives_the_same_scores_and_gradients() -> None:
    torch.manual_seed(0)
    encoder = nn.Conv2d(3, 2, 3, stride=2, padding=1)
    high, classifier = HighEncoder(2, 4, 1, "concatenate"), nn.Linear(4, 4)
    triples, mask = torch.rand(2, 5, 3, 8, 8), torch.rand(2, 1, 5, 4, 4)
    results = []
    for batch in (3, 100):
        encoder.zero_grad()
        scores = TunedNet(encoder, high, classifier, batch)(triples, mask)
        scores.square().sum().backward()
        assert encoder.weight.grad is not None
        results.append((scores.detach(), encoder.weight.grad.clone()))
    torch.testing.assert_close(results[0], results[1])
