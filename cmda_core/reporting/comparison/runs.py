"""The runs behind a comparison: whose segmentations are shown, what was logged, what it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cmda_core.reporting.colours import colours_of
from cmda_core.reporting.curves import Training, drawn_together, read_logs
from cmda_core.reporting.entries import ShownEntry
from cmda_core.reporting.finished import FinishedRun, StageCost


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """A finished run of a benchmark.

    Attributes:
        entry: Name of the entry.
        seed: Of the trainings.
        folder: The run folder.
    """

    entry: str
    seed: int
    folder: Path


@dataclass(frozen=True, slots=True)
class CostCell:
    """What a stage took an entry.

    Attributes:
        seconds: Mean over its seeds; empty if the entry has no such stage.
        peak_mb: Largest of its seeds, in MiB, if it was measured.
        share: Of the longest stage of all, 0 to 1.
    """

    seconds: float | None
    peak_mb: float | None
    share: float


@dataclass(frozen=True, slots=True)
class CostTable:
    """Time and memory by stage and entry.

    Attributes:
        entries: The columns.
        rows: Stage, and what it took each entry.
        totals: Seconds of each entry over all stages.
    """

    entries: tuple[str, ...]
    rows: tuple[tuple[str, tuple[CostCell, ...]], ...]
    totals: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class ReadRun:
    """A finished run of a benchmark, read."""

    entry: str
    seed: int
    run: FinishedRun


def read_runs(runs: Sequence[ComparedRun]) -> list[ReadRun]:
    """Read the folders of finished runs.

    Raises:
        CmdaError: If a file of one is damaged.
    """
    return [ReadRun(one.entry, one.seed, FinishedRun.read(one.folder)) for one in runs]


def shown_entries(runs: Sequence[ReadRun], names: Sequence[str], *, apart: bool) -> list[ShownEntry]:
    """Whose segmentations and translations are shown.

    Args:
        runs: The finished runs.
        names: All entries, in the order of the tables.
        apart: Whether each entry has its own. Where grades alone are compared, all entries look at the same
            ones, which are shown once.
    """
    colours = colours_of(names)
    several = len({run.seed for run in runs}) > 1
    shown: list[ShownEntry] = []
    for one in sorted(runs, key=lambda one: names.index(one.entry)):
        if one.run.entries or (one.run.folder / "translated").is_dir():
            own = next(iter(one.run.entries), one.run.experiment.entry)
            name = one.entry if apart else own
            seed = one.seed if several else None
            if apart or (name, seed) not in {(known.name, known.seed) for known in shown}:
                folder = one.run.folder / "segmented" / own
                shown.append(ShownEntry(name, colours[one.entry], one.run, folder, seed))
    return shown


def compared_trainings(runs: Sequence[ReadRun]) -> list[Training]:
    """The curves of all runs, those of a value in one drawing.

    Trainings that runs took over from each other, such as the same segmenter's, are drawn once.

    Raises:
        DataError: If a log is damaged.
    """
    several = len({run.seed for run in runs}) > 1
    logs, seen = [], set()
    for one in runs:
        for log in read_logs(one.run.folder, one.entry, one.seed if several else None):
            if log.identity not in seen:
                seen.add(log.identity)
                logs.append(log)
    return drawn_together(logs)


def cost_table(runs: Sequence[ReadRun], names: Sequence[str]) -> CostTable:
    """What each stage took each entry, those that it took over from other runs included."""
    by_entry: dict[str, list[Mapping[str, StageCost]]] = {}
    for one in runs:
        by_entry.setdefault(one.entry, []).append(_by_stage(one.run.costs))
    entries = tuple(name for name in names if name in by_entry)
    stages = list(dict.fromkeys(stage for some in by_entry.values() for costs in some for stage in costs))
    cells = {stage: [_cell(stage, by_entry[entry]) for entry in entries] for stage in stages}
    longest = max((cell.seconds or 0.0 for row in cells.values() for cell in row), default=0.0) or 1.0
    rows = tuple(
        (
            stage,
            tuple(CostCell(one.seconds, one.peak_mb, (one.seconds or 0.0) / longest) for one in row),
        )
        for stage, row in cells.items()
    )
    totals = tuple(sum(row[number].seconds or 0.0 for _, row in rows) for number in range(len(entries)))
    return CostTable(entries, rows, totals)


def _by_stage(costs: Sequence[StageCost]) -> Mapping[str, StageCost]:
    """By the name of the stage alone: what stands behind its colon is another entry's name in every run."""
    found: dict[str, StageCost] = {}
    for cost in costs:
        stage = cost.stage.partition(":")[0]
        before = found.get(stage, StageCost(stage, None, None, cost.state))
        seconds = [one for one in (before.seconds, cost.seconds) if one is not None]
        peaks = [one for one in (before.peak_mb, cost.peak_mb) if one is not None]
        found[stage] = StageCost(
            stage, sum(seconds) if seconds else None, max(peaks, default=None), cost.state
        )
    return found


def _cell(stage: str, runs: Sequence[Mapping[str, StageCost]]) -> CostCell:
    costs = [costs[stage] for costs in runs if stage in costs]
    seconds = [cost.seconds for cost in costs if cost.seconds is not None]
    peaks = [cost.peak_mb for cost in costs if cost.peak_mb is not None]
    return CostCell(sum(seconds) / len(seconds) if seconds else None, max(peaks, default=None), 0.0)
