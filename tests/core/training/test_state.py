from pathlib import Path

import pytest
import torch
from torch import nn

from cmda_core.errors import DataError
from cmda_core.training.state import load_state, load_weights, save_state, save_weights


def test_nested_state_comes_back_with_its_types(tmp_path: Path) -> None:
    shared = torch.arange(4.0)
    state = {"a": [1, 2.5, None, True, "x"], 3: (shared, shared[:2]), "deep": {"k": torch.ones(2).half()}}
    save_state(tmp_path / "state.safetensors", state)
    back = load_state(tmp_path / "state.safetensors")
    assert back["a"] == [1, 2.5, None, True, "x"]
    assert isinstance(back[3], tuple)
    assert torch.equal(back[3][1], shared[:2])
    assert back["deep"]["k"].dtype == torch.float16


def test_optimiser_goes_on_as_if_never_saved(tmp_path: Path) -> None:
    def made() -> tuple[nn.Linear, torch.optim.Adam]:
        torch.manual_seed(0)
        layer = nn.Linear(3, 2)
        return layer, torch.optim.Adam(layer.parameters(), lr=0.1)

    def step(layer: nn.Linear, optimizer: torch.optim.Adam) -> None:
        optimizer.zero_grad()
        layer(torch.ones(1, 3)).square().sum().backward()
        optimizer.step()

    layer, optimizer = made()
    step(layer, optimizer)
    save_state(tmp_path / "s.safetensors", {"l": layer.state_dict(), "o": optimizer.state_dict()})
    other, restored = made()
    state = load_state(tmp_path / "s.safetensors")
    other.load_state_dict(state["l"])
    restored.load_state_dict(state["o"])
    for pair in ((layer, optimizer), (other, restored)):
        step(*pair)
    assert torch.equal(layer.weight, other.weight)


def test_refuses_what_it_cannot_keep_and_what_is_not_its_own(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="set"):
        save_state(tmp_path / "s.safetensors", {"a": {1, 2}})
    assert not list(tmp_path.iterdir())
    save_weights(tmp_path / "w.safetensors", nn.Linear(2, 2))
    with pytest.raises(DataError, match="not a state file"):
        load_state(tmp_path / "w.safetensors")
    with pytest.raises(DataError, match="cannot be read"):
        load_state(tmp_path / "missing.safetensors")


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    save_weights(tmp_path / "w.safetensors", nn.Linear(2, 2))
    with pytest.raises(DataError, match="another network"):
        load_weights(tmp_path / "w.safetensors", nn.Linear(3, 2))
