"""Counts floating-point operations of a training step, and the images that go through each network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cmda_core.training.slices import SliceBatch
from cmda_msfnet.method import MsfNetMethod
from cmda_msfnet.networks import Discriminators, MsfNet

Networks = Mapping[str, nn.Module]


@dataclass(frozen=True, slots=True)
class Operations:
    """What a step computes.

    Attributes:
        step: Operations of the step, both ways; a multiplication and an addition are two.
        forward: Operations of one image on its way through each network.
        images: Images that go through each network.
    """

    step: int
    forward: Mapping[str, int]
    images: Mapping[str, int]


def networks_of(method: MsfNetMethod) -> Networks:
    """The networks of our step by name."""
    vgg = (part.layers for name, part in method.named_children() if name == "_perceptual")
    return named(method.generator, method.discriminator, next(vgg, ()))


def named(generator: MsfNet, discriminator: Discriminators, vgg: Iterable[nn.Module]) -> Networks:
    """Networks by the names of the table."""
    return {
        "encoder": generator.encoder,
        "decoder to source": generator.to_source,
        "decoder to target": generator.to_target,
        **{f"decoder {name}": decoder for name, decoder in generator.proxies.items()},
        "discriminator of source": discriminator.source,
        "discriminator of target": discriminator.target,
        **{f"VGG19, layer {place}": layer for place, layer in enumerate(vgg) if isinstance(layer, nn.Conv2d)},
    }


def counted(
    step: Callable[..., object], networks: Networks, pair: tuple[SliceBatch, SliceBatch]
) -> Operations:
    """Do a step and count."""
    images = dict.fromkeys(networks, 0)
    seen: dict[str, torch.Tensor] = {}

    def note(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, inputs: tuple[torch.Tensor, ...], _output: Any) -> None:
            images[name] += len(inputs[0])
            seen[name] = inputs[0][:1].detach()

        return hook

    hooks = [network.register_forward_hook(note(name)) for name, network in networks.items()]
    whole = _operations(lambda: step(*pair))
    for hook in hooks:
        hook.remove()
    with torch.no_grad():
        forward = {name: _operations(lambda n=name: networks[n](seen[n])) for name in networks}
    return Operations(whole, *_vgg_as_one(forward, images))


def _vgg_as_one(forward: dict[str, int], images: dict[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    layers = [name for name in forward if name.startswith("VGG19")]
    if layers:
        images["VGG19"] = images[layers[0]]
        forward["VGG19"] = sum(forward[name] for name in layers)
    return tuple({name: one[name] for name in one if name not in layers} for one in (forward, images))  # type: ignore[return-value]


def _operations(work: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()
