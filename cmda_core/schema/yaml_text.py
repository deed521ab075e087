"""Reads YAML that a stranger wrote: no objects but plain values, no doubled keys, no bombs."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

from cmda_core.errors import ConfigError

LARGEST = 2**18
"""Bytes; the settings of an experiment take about two thousandths of it."""

MOST_VALUES = 50_000
"""Values of a document with all its aliases written out."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader; a key that is there twice is an error, as the YAML standard has it."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key, _ in node.value:
            # Keys that are merged in (<<) may be there again: the mapping's own win.
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} is there twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str, where: str) -> Any:
    """Read one YAML document.

    Args:
        text: The document.
        where: File or option, to begin a message with.

    Raises:
        ConfigError: If it is not YAML, asks for an object, has a key twice, or is too large.
    """
    if len(text) > LARGEST:
        raise ConfigError(f"{where}: is larger than {LARGEST // 1024} KiB. Is it a file of settings?")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > MOST_VALUES:
            raise ConfigError(f"{where}: holds more than {MOST_VALUES} values. Write less, or fewer aliases.")
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: is not valid YAML: {_in_words(error)}") from error
    except RecursionError:
        raise ConfigError(f"{where}: is not valid YAML: it is nested too deep, or holds itself.") from None
    # PyYAML lets these out where a value does not fit its tag, such as '!!int a' or the date 2024-13-40.
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ConfigError(f"{where}: is not valid YAML: a value cannot be read ({error}).") from error


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Values below a node; an alias counts as often as it is used."""
    if id(node) not in known:
        if isinstance(node, yaml.MappingNode):
            total = sum(_size(key, known) + _size(value, known) for key, value in node.value)
        elif isinstance(node, yaml.SequenceNode):
            total = sum(_size(value, known) for value in node.value)
        else:
            total = 0
        known[id(node)] = 1 + total
    return known[id(node)]


def _in_words(error: yaml.YAMLError) -> str:
    """One line, without the excerpt of a file that may hold anything."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return " ".join(str(error).split())[:200] + "."
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    said = ", ".join(part for part in (error.context, error.problem) if part)
    return f"{place}{said}."
