"""Every malformed input ends with one message that names file and field; nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .bundles import BUNDLES
from .conftest import Result
from .corpus import Command, Malformed, Place
from .dicoms import DICOMS, RTSTRUCTS
from .labels import LABELS
from .settings import SETTINGS
from .tables import TABLES
from .volumes import CHECKED_SCANS, SCANS

ALONE = [*SCANS, *TABLES, *SETTINGS, *BUNDLES, *DICOMS]
"""Each is the only thing that its command reads."""

Cmda = Callable[[Command], Result]


def test_the_corpus_is_as_large_as_it_is_said_to_be() -> None:
    corpus = [*ALONE, *CHECKED_SCANS, *LABELS, *RTSTRUCTS]
    assert len(corpus) >= 300
    assert len({one.name for one in SCANS}) == len(SCANS)


@pytest.mark.parametrize("malformed", [*ALONE, *CHECKED_SCANS, *LABELS], ids=str)
def test_a_malformed_input_gets_one_message(malformed: Malformed, place: Place, cmda: Cmda) -> None:
    result = cmda(malformed.make(place))
    told = result.err + result.out
    assert "Traceback" not in told
    assert result.code == malformed.code, told
    assert [word for word in malformed.words if word not in told] == [], told
    if malformed.code == 1:
        assert errors_in(result) == 1, told
    assert written(place.out) == []


@pytest.mark.parametrize("malformed", RTSTRUCTS, ids=str)
def test_malformed_contours_are_left_out_and_told(malformed: Malformed, place: Place, cmda: Cmda) -> None:
    result = cmda(malformed.make(place))
    assert "Traceback" not in result.err
    assert result.code == 1
    assert malformed.words[0] in result.err
    assert [path.parent.name for path in written(place.out) if path.suffix == ".gz"] == ["images"]


def errors_in(result: Result) -> int:
    """Messages on stderr, and findings of a check on stdout."""
    lines = [*result.err.splitlines(), *result.out.splitlines()]
    return sum(line.startswith("error:") for line in lines)


def written(out: Path) -> list[Path]:
    """Results and halves of results."""
    return sorted(path for path in out.rglob("*") if path.is_file() and path.name != ".lock")
