"""Reads experiments: a YAML file of the user's or a preset that ships with cmda."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from cmda_core.errors import ConfigError
from cmda_core.files import is_there, real_path
from cmda_core.schema import Experiment, apply_overrides, parse_settings, read_yaml
from cmda_core.schema.names import plain_name
from cmda_core.schema.settings import merge, shortened

DATA_FOLDERS = ("root", "reference", "paired")
"""Settings of the data that name a place, relative to the file that they stand in."""


def preset_names() -> list[str]:
    """Presets that ship with cmda."""
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in files("cmda_core.presets").iterdir()
        if entry.name.endswith(".yaml")
    )


def load_experiment(
    source: str, *, layers: Sequence[Mapping[str, Any]] = (), overrides: Sequence[str] = ()
) -> Experiment:
    """Read an experiment and apply changes to it.

    Args:
        source: Path of a YAML file, or the name of a preset. A file may say ``preset: NAME`` to
            start from a preset.
        layers: Nested settings, laid over the experiment one after the other.
        overrides: ``a.b=c`` assignments; the last one wins.

    Returns:
        The experiment. Relative folders of its data are relative to the file, or to the working
        directory for a preset and for overrides.

    Raises:
        ConfigError: If the file cannot be read, or a key or value cannot be used.
    """
    values = {**_DEFAULT_PLUGINS, **_spelt_out(_read(source))}
    for changes in (*layers, apply_overrides({}, overrides)):
        if isinstance(changes.get("data"), dict):
            changes = {**changes, "data": _absolute(changes["data"], Path.cwd())}
        values = _layered(values, changes)
    experiment = parse_settings(Experiment, values, source)
    return experiment.model_copy(update={"data": _resolved(experiment)})


def dump_experiment(experiment: Experiment) -> str:
    """The experiment as YAML that ``load_experiment`` reads."""
    text: str = yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    return text


def run_folder_of(experiment: Experiment) -> Path:
    """Where an experiment is run if nobody says where: ``runs/NAME``.

    Raises:
        ConfigError: If its name cannot be that of a folder.
    """
    try:
        return Path("runs") / plain_name(experiment.name)
    except ValueError as error:
        raise ConfigError(f"name: {error}. Change it, or choose a folder with --out.") from None


def _read(source: str) -> dict[str, Any]:
    path = Path(source)
    if source in preset_names() and not is_there(path):  # a folder of that name may be, as after `cmda demo`
        return _preset(source)
    if not is_there(path):
        raise ConfigError(
            f"{source}: no such experiment file. Presets that ship with cmda: {', '.join(preset_names())}."
        )
    values = read_yaml(path)
    if isinstance(values.get("data"), dict):
        values["data"] = _absolute(values["data"], real_path(path.parent))
    base = values.pop("preset", None)
    if base is None:
        return values
    if base not in preset_names():
        raise ConfigError(
            f"{path}: preset: no preset is named {shortened(base)}. There are: {', '.join(preset_names())}."
        )
    return _layered(_spelt_out(_preset(base)), values)


def _preset(name: str) -> dict[str, Any]:
    content = yaml.safe_load((files("cmda_core.presets") / f"{name}.yaml").read_text(encoding="utf-8"))
    return dict(content)


_KINDS = ("preprocessor", "translator", "segmenter", "grader")
_DEFAULT_PLUGINS = {kind: {"plugin": Experiment.model_fields[kind].default.plugin} for kind in _KINDS}


def _spelt_out(values: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``translator: NAME`` as ``translator: {plugin: NAME}``, so that settings can be added."""
    return {
        key: {"plugin": value} if key in _KINDS and isinstance(value, str) else value
        for key, value in values.items()
    }


def _layered(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Lay changes over an experiment; another plugin does not inherit the settings of the old one."""
    changes = _spelt_out(changes)
    kept = dict(values)
    for kind in _KINDS:
        old, new = values.get(kind), changes.get(kind)
        if (
            isinstance(old, dict)
            and isinstance(new, dict)
            and new.get("plugin", old.get("plugin")) != old.get("plugin")
        ):
            del kept[kind]
    return merge(kept, changes)


def _absolute(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    return {
        key: str(folder / value) if key in DATA_FOLDERS and isinstance(value, str) else value
        for key, value in data.items()
    }


def _resolved(experiment: Experiment) -> object:
    data = experiment.data
    return data.model_copy(
        update={
            "root": real_path(data.root),
            "reference": None if data.reference is None else real_path(data.reference),
            "paired": None if data.paired is None else real_path(data.paired),
        }
    )
