"""Which values the structures have in the label files of a dataset, and what they become in a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field

from cmda_core.errors import ConfigError
from cmda_core.schema.task import Task


def _as_lists(values: object) -> object:
    """Write ``vs: 1`` as ``vs: [1]``."""
    if not isinstance(values, Mapping):
        return values
    return {name: [value] if isinstance(value, int) else value for name, value in values.items()}


FileValue = Annotated[int, Field(ge=1, le=255)]
LabelScheme = Annotated[dict[str, tuple[FileValue, ...]], BeforeValidator(_as_lists)]
"""Values of each structure in label files. Several values are parts of one structure; a structure and
its parts may both be listed, and the task decides which of them it names."""


def task_values(scheme: Mapping[str, tuple[int, ...]], task: Task) -> dict[int, int]:
    """What becomes of each value of the label files.

    A value of the scheme that belongs to no structure of the task becomes background.

    Args:
        scheme: Values of each structure in the files.
        task: Names the structures that are wanted, and their labels.

    Returns:
        Label of the task by value of the files.

    Raises:
        ConfigError: If the scheme lacks a structure of the task, or two of them share a value.
    """
    result = {value: 0 for values in scheme.values() for value in values}
    owners: dict[int, str] = {}
    for structure, label in task.structures.items():
        if structure not in scheme:
            raise ConfigError(
                f"task.structures: the label files have no {structure!r}; they have {', '.join(scheme)}. "
                "Name one of these, or say in data.labels which values it has."
            )
        for value in scheme[structure]:
            if value in owners:
                raise ConfigError(
                    f"task.structures: {owners[value]!r} and {structure!r} share the value {value} of the "
                    "label files. Name the whole or its parts, not both."
                )
            owners[value] = structure
            result[value] = label
    return result
