"""Configuration models, and messages for people when a value cannot be used."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from cmda_core.errors import ConfigError
from cmda_core.schema.yaml_text import LARGEST, parse_yaml

_LONGEST = 80


class PluginConfig(BaseModel):
    """Base of every configuration model: frozen, and a misspelt key is an error.

    Every field has a default, so that ``Config()`` is the published setting of the method.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


Settings = TypeVar("Settings", bound=BaseModel)


def parse_settings(model: type[Settings], values: object, where: str) -> Settings:
    """Check values from a file or a command line against a configuration model.

    Args:
        model: What the values must fit.
        values: Usually a mapping from YAML or JSON.
        where: File and section, to begin the message with.

    Raises:
        ConfigError: Naming every unknown key and every value out of range at once.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [f"  {_explain(model, problem)}" for problem in error.errors(include_url=False)]
        raise ConfigError("\n".join([f"{where}:", *problems])) from None


def shortened(value: object) -> str:
    """A value as it is shown in a message."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def portable_settings(config: BaseModel) -> dict[str, Any]:
    """Settings as JSON values, without the paths: those mean nothing on another machine."""
    return _without_paths(config.model_dump(), config.model_dump(mode="json"))


def _without_paths(values: Mapping[str, Any], encoded: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_paths(value, encoded[key]) if isinstance(value, Mapping) else encoded[key]
        for key, value in values.items()
        if not any(isinstance(item, Path) for item in (value if isinstance(value, list | tuple) else [value]))
    }


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        ConfigError: If the file is missing, is not YAML, or holds something else than a mapping.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            text = stream.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not valid YAML: it is no text in UTF-8 ({error}).") from error
    content = parse_yaml(text, str(path))
    if not isinstance(content, dict):
        found = "nothing" if content is None else f"a {type(content).__name__}"
        raise ConfigError(f"{path}: expected 'key: value' lines, got {found}.")
    if odd := [key for key in content if not isinstance(key, str)]:
        raise ConfigError(
            f"{path}: {odd[0]!r} is not the name of a setting. Put it in quotes if it is meant."
        )
    return content


def apply_overrides(values: Mapping[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Apply ``a.b=c`` assignments to nested mappings; the right-hand side is read as YAML.

    Args:
        values: Left unchanged.
        assignments: Such as ``translator.epochs=5``.

    Raises:
        ConfigError: If an assignment has no ``=``, is not YAML, or goes through a plain value.
    """
    result = _deep_copy(values)
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise ConfigError(
                f"--set {shortened(assignment)}: expected KEY=VALUE, for example translator.epochs=5."
            )
        value = parse_yaml(text, f"--set {shortened(assignment)}")
        _assign(result, key.strip().split("."), value, assignment)
    return result


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one nested mapping over another."""
    result = _deep_copy(base)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def _assign(target: dict[str, Any], parts: list[str], value: object, assignment: str) -> None:
    for part in parts[:-1]:
        child = target.setdefault(part, {})
        if child is None:
            child = target[part] = {}
        if not isinstance(child, dict):
            raise ConfigError(
                f"--set {shortened(assignment)}: {part!r} is a plain value, it has no {parts[-1]!r}."
            )
        target = child
    target[parts[-1]] = value


def _deep_copy(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _deep_copy(value) if isinstance(value, Mapping) else value for key, value in values.items()}


def _explain(model: type[BaseModel], problem: ErrorDetails) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":
        return f"{key}: is required."
    if problem["type"] != "extra_forbidden":
        message = problem["msg"].removeprefix("Value error, ")
        said = f"{message[:1].lower()}{message[1:]}."
        return f"{key} = {shortened(problem['input'])}: {said}" if key else said
    fields = _fields_at(model, [str(part) for part in problem["loc"][:-1]])
    near = difflib.get_close_matches(str(problem["loc"][-1]), fields, n=1)
    return f"{key}: no such setting." + (f" Did you mean {near[0]!r}?" if near else "")


def _fields_at(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    current: Any = model
    for part in path:
        if not (isinstance(current, type) and issubclass(current, BaseModel)):
            return []
        field = current.model_fields.get(part)
        if field is None:
            continue
        candidates = [field.annotation, *get_args(field.annotation)]
        current = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []
