"""The folder that a trained network is kept in: plain safetensors, and JSON with its settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from cmda_core.errors import DataError
from cmda_core.files import write_json
from cmda_core.schema import PluginConfig, Task, parse_settings, portable_settings
from cmda_core.training.state import save_weights

WEIGHTS = "weights.safetensors"
DESCRIPTION = "config.json"

Settings = TypeVar("Settings", bound=PluginConfig)


def save_network(folder: Path, network: nn.Module, config: PluginConfig, task: Task, **more: object) -> None:
    """Write weights, settings and task of a trained network.

    Args:
        folder: Made if it is missing.
        network: Its weights go into ``weights.safetensors``.
        config: Settings that the network is built from; those that are paths are left out.
        task: Modalities and structures.
        more: What else is needed to build the network; plain values.

    Raises:
        OutputError: If a file cannot be written.
    """
    save_weights(folder / WEIGHTS, network)
    content = {"config": portable_settings(config), "task": task.model_dump(mode="json"), "more": more}
    write_json(folder / DESCRIPTION, content)


def read_description(folder: Path, config: type[Settings]) -> tuple[Settings, Task, Mapping[str, Any]]:
    """Read what ``save_network`` wrote beside the weights: settings, task and what else was given.

    Raises:
        DataError: If the file is missing or damaged.
        ConfigError: If the settings are of another plugin or version.
    """
    path = folder / DESCRIPTION
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        values, task, more = content["config"], content["task"], content["more"]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Train it again.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: does not describe a trained network ({error}).") from error
    where = str(path)
    return parse_settings(config, values, where), parse_settings(Task, task, where), more
