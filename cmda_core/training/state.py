"""Nested state, such as an optimiser's, in one safetensors file: no pickle, no code in the file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from cmda_core.errors import DataError
from cmda_core.files import replacing

State = Mapping[str, Any]
_FORMAT = "cmda-state-1"
_SYSTEM_ERROR = re.compile(r"os error (\d+)")


def save_state(path: Path, state: State) -> None:
    """Write nested dicts, lists and tuples of tensors and plain values, whole or not at all.

    Args:
        path: Ends in ``.safetensors``.
        state: Keys are strings or integers; leaves are tensors, numbers, strings, booleans, None.

    Raises:
        TypeError: If a leaf is of another type.
        OutputError: If the file cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    tree = _flatten(state, tensors)
    with replacing(path) as temporary:
        # One key only: safetensors writes several in any order, and equal states must be equal bytes.
        write_tensors(temporary, tensors, {_FORMAT: json.dumps(tree)})


def load_state(path: Path) -> dict[str, Any]:
    """Read what ``save_state`` wrote; tensors arrive on the CPU.

    Raises:
        DataError: If the file is missing, damaged or of another format.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # not a dict
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error
    if _FORMAT not in metadata:
        raise DataError(f"{path}: is not a state file of cmda.")
    state = _restore(json.loads(metadata[_FORMAT]), tensors)
    if not isinstance(state, dict):
        raise DataError(f"{path}: is not a state file of cmda.")
    return state


def _flatten(value: object, tensors: dict[str, Tensor]) -> object:
    if isinstance(value, Tensor):
        name = f"t{len(tensors)}"
        # Cloned, because safetensors refuses tensors that share memory.
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"dict": [[key, _flatten(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_flatten(item, tensors) for item in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return {"value": value}
    raise TypeError(f"cannot save a {type(value).__name__}")


def _restore(node: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Any:
    ((kind, content),) = node.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _restore(item, tensors) for key, item in content}
    if kind in ("list", "tuple"):
        items = [_restore(item, tensors) for item in content]
        return items if kind == "list" else tuple(items)
    return content


def save_weights(path: Path, module: torch.nn.Module) -> None:
    """Write the weights and buffers of a module as plain safetensors.

    Raises:
        OutputError: If the file cannot be written.
    """
    tensors = {
        key: value.detach().to("cpu", copy=True).contiguous() for key, value in module.state_dict().items()
    }
    with replacing(path) as temporary:
        write_tensors(temporary, tensors)


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file at once; within ``replacing``, it is whole or not there.

    Raises:
        OSError: If the file cannot be written, which safetensors reports as an error of its own.
    """
    try:
        save_file(dict(tensors), path, metadata=dict(metadata) if metadata else None)
    except SafetensorError as error:
        found = _SYSTEM_ERROR.search(str(error))
        if found is None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1]))) from error


def load_weights(path: Path, module: torch.nn.Module) -> None:
    """Read weights that ``save_weights`` wrote into a module of the same shape.

    Raises:
        DataError: If the file is missing, damaged, or made for another network.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # not a dict
        module.load_state_dict(tensors)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error
    except RuntimeError as error:
        raise DataError(f"{path}: these weights are of another network ({error}).") from error
