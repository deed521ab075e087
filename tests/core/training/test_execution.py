"""Ways to run the networks that must not change what they learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from slice_cohorts import unpaired
from torch import nn

from cmda_core.run import Run
from cmda_core.schema import Runtime
from cmda_core.training.adversarial import train_adversarial
from cmda_core.training.config import AdversarialConfig
from cmda_core.training.execution import called_parts, execution
from cmda_core.training.slices import SliceBatch
from cmda_cyclegan.config import CycleGanConfig
from cmda_cyclegan.method import CycleGan

SMALL: dict[str, Any] = {"channels": 4, "residual_blocks": 1, "discriminator_layers": 1, "pool_size": 0}


def _gradients(**options: bool) -> dict[str, torch.Tensor]:
    """Of one generator loss in float64, where rounding cannot hide or feign a difference."""
    torch.manual_seed(0)
    method = CycleGan(CycleGanConfig(**SMALL)).double()
    draw = torch.Generator().manual_seed(0)
    images = [torch.rand(1, 3, 24, 20, generator=draw, dtype=torch.float64) for _ in range(2)]
    with execution(AdversarialConfig(**options), method):
        terms, _ = method.generator_losses(SliceBatch(images[0]), SliceBatch(images[1]))
        torch.stack(list(terms.values())).sum().backward()
    return {name: parameter.grad for name, parameter in method.named_parameters()}


@pytest.mark.filterwarnings(r"ignore:The \.grad attribute of a Tensor:UserWarning")  # by torch.compile
@pytest.mark.parametrize(
    "option", ["channels_last", "checkpointing", pytest.param("compile", marks=pytest.mark.slow)]
)
def test_options_do_not_change_what_is_learnt(option: str) -> None:
    torch.testing.assert_close(_gradients(**{option: True}), _gradients(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("option", ["channels_last", "checkpointing"])
def test_options_are_those_of_the_training(tmp_path: Path, option: str) -> None:
    method = CycleGan(CycleGanConfig(**SMALL))
    config = CycleGanConfig(**SMALL, epochs=1, **{option: True})
    seen: list[bool] = []
    (first, *_) = called_parts(method.generator)
    first[0].register_forward_hook(
        lambda layer, *_: seen.append(
            "forward" in vars(first)
            if option == "checkpointing"
            else layer.weight.is_contiguous(memory_format=torch.channels_last)
        )
    )
    data = unpaired(tmp_path / "data")
    train_adversarial(method, data, config, Run(tmp_path / "run", Runtime(device="cpu", threads=1)))
    assert seen
    assert all(seen)


def test_networks_are_as_they_were_after_the_training() -> None:
    method = CycleGan(CycleGanConfig(**SMALL))
    config = AdversarialConfig(checkpointing=True, channels_last=True)
    (first, *_) = called_parts(method.generator)
    with execution(config, method):
        assert "forward" in vars(first)
        assert first[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert "forward" not in vars(first)
    assert first[0].weight.is_contiguous()


def test_checkpointing_keeps_less() -> None:
    kept: dict[bool, int] = {}
    images = torch.rand(1, 3, 32, 32)
    for option in (False, True):
        method = CycleGan(CycleGanConfig(**SMALL))
        sizes: dict[int, int] = {}

        def keep(tensor: torch.Tensor, sizes: dict[int, int] = sizes) -> torch.Tensor:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with (
            execution(AdversarialConfig(checkpointing=option), method),
            torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        ):
            method.generator["source"](method.generator["target"](images)).sum().backward()
        kept[option] = sum(sizes.values())
    assert kept[True] < 0.2 * kept[False]


def test_called_parts_are_the_outermost_that_compute() -> None:
    inner = nn.Sequential(nn.Linear(1, 1))
    holder = nn.Module()
    holder.one, holder.more = nn.Linear(1, 1), nn.ModuleDict({"a": inner, "b": nn.ReLU()})
    assert called_parts(holder) == [holder.one, inner, holder.more["b"]]
