import pytest
import torch
from torch import nn

from cmda_core.training.networks import (
    PatchDiscriminator,
    ResidualBlock,
    UpsamplingConv2d,
    init_weights,
    smallest_patch,
)


@pytest.mark.parametrize("layers", [1, 3, 6])
@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_discriminator_takes_its_smallest_patch_and_no_less(layers: int, norm: str) -> None:
    judge = PatchDiscriminator(channels=1, layers=layers, norm=norm)
    edge = smallest_patch(layers)
    assert judge(torch.zeros(1, 3, edge, edge)).shape == (1, 1, 1, 1)
    with pytest.raises((RuntimeError, ValueError)):
        judge(torch.zeros(1, 3, edge - 2**layers, edge - 2**layers))


def test_three_layers_see_seventy_pixels() -> None:
    judge = PatchDiscriminator(channels=2, layers=3).double()
    images = torch.randn(1, 3, 128, 128, dtype=torch.float64, requires_grad=True)
    for layer in judge.modules():
        if isinstance(layer, nn.InstanceNorm2d):  # its mean looks at the whole image
            layer.forward = lambda features: features  # type: ignore[method-assign]
    scores = judge(images)
    (gradient,) = torch.autograd.grad(scores[0, 0, 7, 7], images)
    rows = gradient.abs().sum(dim=(0, 1, 3)).nonzero()
    assert int(rows.max() - rows.min()) + 1 == 70


def test_paper_widths_stop_at_eight_fold() -> None:
    judge = PatchDiscriminator(channels=64, layers=6, norm="batch")
    widths = [part.out_channels for part in judge.modules() if isinstance(part, nn.Conv2d)]
    assert widths == [64, 128, 256, 512, 512, 512, 512, 1]
    assert sum(isinstance(part, nn.BatchNorm2d) for part in judge.modules()) == 6


def test_upsampling_convolution_is_both_after_each_other() -> None:
    torch.manual_seed(0)
    layer = UpsamplingConv2d(3, 4).double()
    features = torch.randn(2, 3, 5, 7, dtype=torch.float64, requires_grad=True)
    large = nn.functional.interpolate(features, scale_factor=2, mode="nearest")
    wanted = nn.functional.conv2d(large, layer.weight, layer.bias, padding=1)
    ours = layer(features)
    torch.testing.assert_close(ours, wanted, rtol=1e-12, atol=1e-12)
    inputs, gradient = (features, layer.weight, layer.bias), torch.randn_like(wanted)
    torch.testing.assert_close(
        torch.autograd.grad(ours, inputs, gradient), torch.autograd.grad(wanted, inputs, gradient)
    )


def test_residual_block_keeps_odd_sizes() -> None:
    features = torch.randn(2, 4, 5, 7)
    assert ResidualBlock(4)(features).shape == features.shape


def test_init_is_fan_in_scaled_or_small() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(64, 64, 3)
    init_weights(layer, "kaiming")
    assert layer.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
    assert not layer.bias.any()
    init_weights(layer, "normal")
    assert layer.weight.std().item() == pytest.approx(0.02, rel=0.02)
