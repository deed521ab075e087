"""How networks are run while they are trained; none of it changes what they compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.checkpoint import checkpoint

from cmda_core.training.config import AdversarialConfig
from cmda_core.training.memory import kept_memory
from cmda_core.training.networks import device_of
from cmda_core.training.winograd import forward_of, suits

if TYPE_CHECKING:
    from cmda_core.training.adversarial import AdversarialMethod

_FUSED = ("cuda", "cpu")

_VARIANTS = 64
"""Of compiled code that are kept. Networks made of torch's own containers share one place for theirs, and
each has some: with gradients and without, of the input too, for other sizes of a batch. Torch itself keeps 8,
and then compiles no more."""


@contextmanager
def execution(config: AdversarialConfig, method: AdversarialMethod) -> Iterator[None]:
    """Run the networks of a method as the settings say for as long as the block runs.

    Args:
        config: ``winograd``, ``channels_last``, ``compile`` and ``checkpointing``.
        method: Its networks; any other that is part of it takes part in ``winograd``.
    """
    with ExitStack() as stack:
        if device_of(method.generator).type == "cpu":
            stack.enter_context(kept_memory())
        if config.winograd and not config.compile:
            for layer in method.modules():
                if suits(layer):
                    _stand_in(layer, forward_of(layer), stack)
        if config.compile:
            stack.enter_context(torch._dynamo.config.patch(cache_size_limit=_VARIANTS))
        for network in (method.generator, method.discriminator):
            if config.channels_last:
                stack.enter_context(_channels_last(network))
            # Batch norm in a discriminator would count images twice that are computed twice.
            repeated = config.checkpointing and network is method.generator
            for part in called_parts(network) if config.compile or repeated else ():
                # Few shapes occur, again and again: each gets code of its own.
                forward = torch.compile(part.forward, dynamic=False) if config.compile else part.forward
                _stand_in(
                    part, partial(checkpoint, forward, use_reentrant=False) if repeated else forward, stack
                )
        yield


def _stand_in(module: nn.Module, forward: Callable[..., Tensor], stack: ExitStack) -> None:
    """Call something else in place of a module's ``forward`` until the stack closes."""
    module.forward = forward
    stack.callback(vars(module).pop, "forward", None)  # uncovers the method of the class


@contextmanager
def _channels_last(network: nn.Module) -> Iterator[None]:
    network.to(memory_format=torch.channels_last)
    hooks = [part.register_forward_hook(_keep_gradient_plain) for part in _instance_norms(network)]
    try:
        yield
    finally:
        network.to(memory_format=torch.contiguous_format)
        for hook in hooks:
            hook.remove()


def _instance_norms(network: nn.Module) -> list[nn.Module]:
    return [part for part in network.modules() if isinstance(part, nn.InstanceNorm2d)]


def _keep_gradient_plain(_norm: nn.Module, _inputs: object, output: Tensor) -> None:
    """Give an instance norm its gradient in the plain layout, which it works in itself.

    With a batch of one torch 2.14 would not do so, and on CPUs compute a wrong gradient without a word.
    """
    if output.requires_grad:
        output.register_hook(Tensor.contiguous)


def called_parts(network: nn.Module) -> list[nn.Module]:
    """The outermost modules that compute something: not those that only hold others."""
    if type(network).forward is not nn.Module.forward:
        return [network]
    return [part for child in network.children() for part in called_parts(child)]


def is_fused(device: torch.device) -> bool:
    """Whether an optimiser can change all weights on a device in one pass over the memory."""
    return device.type in _FUSED


def keep_layout(optimizer: Optimizer) -> None:
    """After an optimiser was loaded, lay its moments out in memory as the weights are.

    Fused kernels go through both as they lie there, and files hold all in the plain order.
    """

    def match(loaded: Optimizer) -> None:
        for weights, state in loaded.state.items():
            for name, moment in state.items():
                if moment.shape == weights.shape:
                    state[name] = torch.empty_like(weights).copy_(moment)

    optimizer.register_load_state_dict_post_hook(match)
