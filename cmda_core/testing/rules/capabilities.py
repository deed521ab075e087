"""The promises of declared capabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmda_core.protocols import SharedEncoder
from cmda_core.testing.check import Rule, expect
from cmda_core.testing.subject import Subject

if TYPE_CHECKING:
    from torch import Tensor


def is_a_shared_encoder(subject: Subject) -> None:
    """Declared as a shared encoder, it has `encode`, `copy_encoder`, `feature_channels`, `feature_stride`."""
    model = subject.model
    names = ("encode", "copy_encoder", "feature_channels", "feature_stride")
    missing = [name for name in names if not hasattr(model, name)]
    expect(
        not missing, f"No {', '.join(missing)}.", "Add them, or leave shared_encoder of the offer at False."
    )


def encodes_as_declared(subject: Subject) -> None:
    """`encode` returns finite features of the declared channels and stride, without gradients."""
    model = _encoder(subject)
    slices = _slices(model.feature_stride)
    features = model.encode(slices)
    height, width = (edge // model.feature_stride for edge in slices.shape[-2:])
    wanted = (len(slices), model.feature_channels, height, width)
    expect(
        tuple(features.shape) == wanted,
        f"Features of {tuple(slices.shape)} are {tuple(features.shape)}, not {wanted}.",
        "Correct feature_channels and feature_stride, or the encoder.",
    )
    expect(not features.requires_grad, "The features carry gradients.", "Decorate encode with torch.no_grad.")
    expect(
        bool(features.isfinite().all()), "Features are not finite.", "Look for divisions by a spread of zero."
    )


def copies_its_encoder(subject: Subject) -> None:
    """`copy_encoder` gives the same features, can be trained, and shares no weights."""
    import torch

    model = _encoder(subject)
    slices = _slices(model.feature_stride)
    before = model.encode(slices).cpu()
    copied = model.copy_encoder().cpu()
    features = copied(slices)
    expect(
        torch.equal(features.detach(), before),
        "The copy gives other features.",
        "Return copy.deepcopy of the encoder, in the same mode.",
    )
    parameters = list(copied.parameters())
    features.square().mean().backward()
    idle = sum(parameter.grad is None for parameter in parameters)
    expect(
        bool(parameters) and not idle,
        f"{idle} of {len(parameters)} weights of the copy get no gradient.",
        "Call requires_grad_(True) on the copy.",
    )
    with torch.no_grad():
        for parameter in parameters:
            parameter.zero_()
    expect(
        torch.equal(model.encode(slices).cpu(), before),
        "To change the copy changed the translator.",
        "Return copy.deepcopy of the encoder.",
    )


def _encoder(subject: Subject) -> SharedEncoder:
    is_a_shared_encoder(subject)
    model: SharedEncoder = subject.model
    return model


def _slices(stride: int) -> Tensor:
    import torch

    return torch.rand(2, 3, 6 * stride, 4 * stride, generator=torch.Generator().manual_seed(1)) * 2 - 1


SHARED_ENCODER: tuple[Rule, ...] = (is_a_shared_encoder, encodes_as_declared, copies_its_encoder)
