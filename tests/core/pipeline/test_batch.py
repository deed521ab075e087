"""One scan may fail without stopping the others."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from cmda_core.errors import DataError, OutputError
from cmda_core.pipeline.batch import each_scan
from cmda_core.progress import Silent
from cmda_core.schema import Case


def scan(name: str) -> Case:
    return Case(id=name, subject=name, modality="hrT2", image=Path(f"{name}.nii"))


def work(case: Case) -> str:
    errors = {"torn": DataError("torn.nii: is damaged."), "odd": ZeroDivisionError("by zero")}
    if case.id in errors:
        raise errors[case.id]
    if case.id == "full":
        raise OutputError("disk full.")
    return case.id.upper()


def test_the_others_are_done_in_order(caplog: pytest.LogCaptureFixture) -> None:
    scans = [scan(name) for name in ("a", "torn", "b", "odd", "c")]
    with caplog.at_level(logging.ERROR):
        batch = each_scan(scans, work, verb="work", progress=Silent())
    assert batch.done == ("A", "B", "C")
    assert batch.failed == {
        "torn": "torn.nii: is damaged.",
        "odd": "odd.nii: unexpected ZeroDivisionError: by zero",
    }
    assert "Traceback" in caplog.text  # of what can only be a bug


@pytest.mark.parametrize(("name", "error"), [("torn", DataError), ("odd", ZeroDivisionError)])
def test_a_single_scan_raises(name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        each_scan([scan(name)], work, verb="work", progress=Silent())


def test_a_full_disk_ends_the_work() -> None:
    with pytest.raises(OutputError, match="disk full"):
        each_scan([scan("a"), scan("full"), scan("b")], work, verb="work", progress=Silent())
