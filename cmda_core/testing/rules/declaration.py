"""What an offer says of itself, before anything is trained."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from functools import cache
from unittest import SkipTest

from pydantic import ValidationError

from cmda_core.catalogue import settings_rows
from cmda_core.errors import NotTrainedError
from cmda_core.hookspecs import API_VERSION
from cmda_core.schema import PluginConfig
from cmda_core.testing.check import BrokenPromiseError, Rule, expect
from cmda_core.testing.subject import Subject

_TORCH = 9
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def introduces_itself(subject: Subject) -> None:
    """The offer has a name of lower-case words, a summary of one line, a reference and this API's version."""
    offer = subject.offer
    expect(
        bool(_NAME.fullmatch(offer.name)),
        f"The name is {offer.name!r}.",
        "Use lower case and digits, words joined by hyphens.",
    )
    expect(
        bool(offer.summary.strip()) and "\n" not in offer.summary,
        f"The summary is {offer.summary!r}.",
        "Say in one line what the method does.",
    )
    expect(
        bool(offer.reference.strip()),
        "The reference is empty.",
        "Name the paper or repository of the method.",
    )
    expect(
        offer.api_version == API_VERSION,
        f"It was made for API version {offer.api_version}; this cmda has {API_VERSION}.",
        f"Adapt it and set api_version={API_VERSION}.",
    )


def settings_have_defaults(subject: Subject) -> None:
    """The settings alone, without any value, are the published method."""
    model = subject.offer.config
    expect(
        isinstance(model, type) and issubclass(model, PluginConfig),
        f"config is {model!r}.",
        "Derive the settings from cmda_core.schema.PluginConfig.",
    )
    try:
        model()
    except ValidationError as error:
        fields = ", ".join(str(problem["loc"][0]) for problem in error.errors() if problem["loc"])
        raise BrokenPromiseError(
            f"{model.__name__}() fails at {fields or 'its validator'}.", "Give every field a default."
        ) from error


def settings_are_explained(subject: Subject) -> None:
    """Every setting has a docstring, for `cmda plugins show` and the reference."""
    silent = [name for name, _, _, meaning in settings_rows(subject.offer.config) if not meaning]
    expect(
        not silent,
        f"No docstring below {', '.join(silent)}.",
        "Write what it means, with its unit and origin.",
    )


def settings_have_a_schema(subject: Subject) -> None:
    """The settings have a JSON Schema, refuse unknown keys, and survive being written as JSON."""
    model = subject.offer.config
    json.dumps(model.model_json_schema())
    expect(
        model.model_config.get("extra") == "forbid" and bool(model.model_config.get("frozen")),
        "The settings accept unknown keys or can be changed.",
        "Keep extra='forbid' and frozen=True of PluginConfig.",
    )
    for settings in (model(), subject.config):
        again = model.model_validate(json.loads(settings.model_dump_json()))
        expect(
            again == settings,
            f"Written as JSON and read again, {settings!r} became {again!r}.",
            "Use types that JSON has, or a validator that brings them back.",
        )


def is_listed_quickly(subject: Subject) -> None:
    """To import the module with the hook does not import torch."""
    module = subject.offer.build.__module__
    status = _import_alone(module)
    if status not in (0, _TORCH):
        raise SkipTest(f"{module} cannot be imported on its own")
    expect(
        not status,
        f"import {module} imports torch.",
        "Import what needs torch inside of build and load.",
    )


@cache
def _import_alone(module: str) -> int:
    """Exit status of a new process that imports a module: 0, ``_TORCH``, or that of a failure."""
    code = f"import sys, {module}; sys.exit({_TORCH} if 'torch' in sys.modules else 0)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=False, capture_output=True, env=environment).returncode  # noqa: S603


def has_the_methods(subject: Subject) -> None:
    """What `build` returns has the methods of the protocol, with its arguments."""
    built = subject.build()
    for name, count in subject.methods.items():
        method = getattr(built, name, None)
        expect(
            callable(method),
            f"build() returned a {type(built).__name__} without {name}().",
            "Add the method, see cmda_core.protocols.",
        )
        try:
            inspect.signature(method).bind(*range(count))  # type: ignore[arg-type]
        except TypeError as error:
            raise BrokenPromiseError(
                f"{name}() cannot be called with {count} arguments ({error}).",
                "Take the arguments that cmda_core.protocols names.",
            ) from error


def refuses_before_training(subject: Subject) -> None:
    """Asked before `fit`, it raises NotTrainedError."""
    built = subject.build()
    try:
        subject.infer(built)
    except NotTrainedError:
        return
    except Exception as error:
        raise BrokenPromiseError(
            f"Before fit() it raises {type(error).__name__}: {error}.",
            "Raise cmda_core.errors.NotTrainedError.",
        ) from error
    raise BrokenPromiseError("Before fit() it answers.", "Raise cmda_core.errors.NotTrainedError.")


DECLARATION: tuple[Rule, ...] = (
    introduces_itself,
    settings_have_defaults,
    settings_are_explained,
    settings_have_a_schema,
    is_listed_quickly,
    has_the_methods,
    refuses_before_training,
)
