from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field

from cmda_core.errors import ConfigError
from cmda_core.schema import Experiment, PluginConfig, apply_overrides, parse_settings, read_yaml
from cmda_core.schema.settings import merge


class Config(PluginConfig):
    epochs: int = Field(default=5, ge=1)
    rate: float = 0.1


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("a.b=3", {"a": {"b": 3, "c": 2}}),
        ("a.b=x=y", {"a": {"b": "x=y", "c": 2}}),
        ("a.b=[1, 2]", {"a": {"b": [1, 2], "c": 2}}),
        ("d.e.f=null", {"a": {"b": 1, "c": 2}, "d": {"e": {"f": None}}}),
    ],
)
def test_overrides_are_read_as_yaml(assignment: str, expected: dict[str, object]) -> None:
    values = {"a": {"b": 1, "c": 2}}
    assert apply_overrides(values, [assignment]) == expected
    assert values == {"a": {"b": 1, "c": 2}}


@pytest.mark.parametrize(
    ("assignment", "message"),
    [("epochs", "expected KEY=VALUE"), ("a=[1", "not valid YAML"), ("a.b.c=1", "'b' is a plain value")],
)
def test_useless_overrides_are_explained(assignment: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        apply_overrides({"a": {"b": 1}}, [assignment])


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        parse_settings(Config, {"epoch": 3, "epochs": 0}, "file.yaml")
    message = str(raised.value)
    assert message.startswith("file.yaml:\n")
    assert "epoch: no such setting. Did you mean 'epochs'?" in message
    assert "epochs = 0: input should be greater than or equal to 1." in message


def test_nested_key_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"runtime\.device_: no such setting. Did you mean 'device'"):
        parse_settings(Experiment, {"runtime": {"device_": "cpu"}}, "x")


@pytest.mark.parametrize(("text", "message"), [("a: [", "not valid YAML"), ("- a", "got a list")])
def test_unreadable_yaml(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_yaml(path)


def test_missing_yaml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_yaml(tmp_path / "x.yaml")


def test_merge_goes_deep_and_replaces_plain_values() -> None:
    assert merge({"a": {"b": 1, "c": [1]}}, {"a": {"c": [2]}, "d": 3}) == {"a": {"b": 1, "c": [2]}, "d": 3}
