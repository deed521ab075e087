"""Reads what a run has left so far; what is not there yet is left out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cmda_core.errors import DataError, RunError
from cmda_core.evaluation.tables import GRADES_COLUMNS, PER_CASE_COLUMNS, read_table
from cmda_core.preparation import QUALITY_FILE, CaseQuality, read_quality
from cmda_core.schema import Cohort, Experiment, parse_settings, read_yaml


@dataclass(frozen=True, slots=True)
class StageCost:
    """What a stage took.

    Attributes:
        stage: Name, with the entry behind a colon where there are several.
        seconds: Over all attempts, if it finished or failed.
        peak_mb: Largest resident memory in MiB, if it was measured.
        state: ``finished``, ``failed``, ``started``, or ``shared`` if another run did it.
    """

    stage: str
    seconds: float | None
    peak_mb: float | None
    state: str


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A run folder, read.

    Attributes:
        folder: The run folder.
        experiment: What was run.
        environment: Versions and devices, as nested facts.
        journal: Events of the stages, in order.
        summary: The summary of the evaluation, if there is one.
        per_case: One row per entry, case and structure; empty without an evaluation.
        grades: One row per grader and case; empty without an evaluation.
        prepared: What the preprocessor says of each scan; empty before that stage has finished.
    """

    folder: Path
    experiment: Experiment
    environment: Mapping[str, Any]
    journal: tuple[Mapping[str, Any], ...]
    summary: Mapping[str, Any]
    per_case: pd.DataFrame
    grades: pd.DataFrame
    prepared: tuple[CaseQuality, ...]

    @classmethod
    def read(cls, folder: Path) -> FinishedRun:
        """Read a run folder.

        Raises:
            RunError: If it is none.
            ConfigError: If its experiment cannot be used.
            DataError: If a file of it is damaged.
        """
        settings = folder / "experiment.yaml"
        if not settings.is_file():
            raise RunError(f"{folder}: is not a run folder (it has no experiment.yaml).")
        scores = folder / "evaluation"
        return cls(
            folder=folder,
            experiment=parse_settings(Experiment, read_yaml(settings), str(settings)),
            environment=_read_json(folder / "environment.json"),
            journal=tuple(_read_journal(folder / "journal.jsonl")),
            summary=_read_json(scores / "summary.json"),
            per_case=_read_scores(scores / "per_case.csv", PER_CASE_COLUMNS),
            grades=_read_scores(scores / "grades.csv", GRADES_COLUMNS),
            prepared=tuple(read_quality(folder / "prepared" / QUALITY_FILE)),
        )

    @property
    def entries(self) -> list[str]:
        """Entries with segmentations, the method itself before its baselines."""
        folder = self.folder / "segmented"
        found = [path.name for path in sorted(folder.iterdir()) if path.is_dir()] if folder.is_dir() else []
        return sorted(found, key=lambda entry: (entry != self.experiment.entry, entry))

    @property
    def dates(self) -> tuple[str, str] | None:
        """Time of the first and of the last event, to the minute, if there are any."""
        times = [str(event["time"])[:16].replace("T", " ") for event in self.journal if "time" in event]
        return (times[0], times[-1]) if times else None

    @property
    def costs(self) -> list[StageCost]:
        """What each stage took, in the order in which they first began."""
        costs: dict[str, StageCost] = {}
        for event in self.journal:
            name, state = str(event.get("stage", "")), str(event.get("event", ""))
            # A stage that is skipped keeps what it took when it was done; the report, which is being
            # written, cannot know its own cost.
            if state in ("started", "finished", "failed", "shared") and name != "report":
                costs[name] = StageCost(name, event.get("seconds"), event.get("peak_mb"), state)
        return list(costs.values())

    def cohort(self, relative: str) -> Cohort | None:
        """The cohort of a file in the run folder, if there is one.

        Raises:
            DataError: If the file is damaged.
        """
        path = self.folder / relative
        return Cohort.load(path) if path.is_file() else None


def _read_scores(path: Path, columns: list[str]) -> pd.DataFrame:
    return read_table(path, columns) if path.is_file() else pd.DataFrame(columns=columns)


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: is damaged ({error}). Run the stage that writes it again.") from error
    return content if isinstance(content, dict) else {}


def _read_journal(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    events = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            event = json.loads(line)
        except ValueError:  # a crash cuts the last line off
            continue
        if isinstance(event, dict):
            events.append(event)
    return events
