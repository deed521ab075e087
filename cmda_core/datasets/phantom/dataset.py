"""Writes a phantom cohort: who is in it, their scans, their files."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cmda_core.datasets.phantom.acquisition import brightest, place_grid, receive, structure_signals
from cmda_core.datasets.phantom.anatomy import Subject, draw_subject
from cmda_core.datasets.phantom.layouts import LayoutName, writer
from cmda_core.datasets.phantom.layouts.crossmoda import (
    REFERENCE_FOLDER,
    SOURCE_FOLDER,
    TARGET_FOLDER,
    TEST_FOLDER,
)
from cmda_core.datasets.phantom.plan import Plan, Scanned
from cmda_core.datasets.phantom.presets import PRESETS, Centre, Preset, PresetName
from cmda_core.datasets.phantom.rendering import paint
from cmda_core.datasets.phantom.tumour import koos_grade
from cmda_core.datasets.split import Split
from cmda_core.errors import ConfigError
from cmda_core.parallel import each_case
from cmda_core.progress import Progress, Silent
from cmda_core.volumes import Volume, write_volume

__all__ = [
    "GRADE_CYCLES",
    "PAIRED_FOLDER",
    "REFERENCE_FOLDER",
    "SOURCE_FOLDER",
    "TARGET_FOLDER",
    "TEST_FOLDER",
    "Plan",
    "Scanned",
    "plan_cohort",
    "scan_subject",
    "write_case",
    "write_cohort",
    "write_phantom",
]

PAIRED_FOLDER = Path("paired_reference")
"""Folder of the source cases' scans in the target modality."""

GRADE_CYCLES: dict[Split, tuple[int, ...]] = {
    "source": (3, 2, 4, 1, 3, 2, 3, 4, 3, 2, 4, 3, 1, 3, 2, 4),
    "target": (3, 4, 2, 1, 3, 4, 3, 2, 4, 3, 4, 2),
    "test": (2, 3, 4, 1, 3, 2, 3, 4, 2, 3, 4, 2),
}
"""Order in which grades are dealt out, about as often as in crossMoDA 2022 (7, 28, 40 and 25 % of its
graded cases); source and target have different mixes, and the first four cases have one grade each."""


def write_phantom(
    out: Path,
    *,
    preset: PresetName = "demo",
    source: int | None = None,
    target: int | None = None,
    test: int | None = None,
    seed: int = 0,
    layout: LayoutName = "crossmoda2022",
    paired: bool = False,
    jobs: int = 1,
    progress: Progress = Silent(),  # noqa: B008  # it has no state
) -> None:
    """Write a cohort of phantom subjects; the same arguments give the same bytes.

    The subjects and their scans are the same in every layout. Labels and grades of the target and
    test cases lie apart, in a folder with *reference* in its name.

    Args:
        out: Folder of the cohort; made if it is missing.
        preset: ``demo``, ``standard`` or ``full``.
        source: Number of source cases; the preset's if left out.
        target: Number of target training cases.
        test: Number of target cases to be scored.
        seed: Of everything random.
        layout: How folders and files are named, and what of a subject the layout knows.
        paired: Scan the source cases in the target modality too, without noise, into
            ``paired_reference``: what their translations are to look like. Other files stay the same.
        jobs: Processes.
        progress: Where to show how many subjects are done.

    Raises:
        ConfigError: If the preset is unknown or a number is negative.
        OutputError: If a file cannot be written.
    """
    if preset not in PRESETS:
        raise ConfigError(f"phantom: expected a preset out of {', '.join(PRESETS)}, got {preset!r}.")
    chosen = PRESETS[preset]
    plans = plan_cohort(chosen, source=source, target=target, test=test)
    write_cohort(out, chosen, plans, seed=seed, jobs=jobs, progress=progress, layout=layout, paired=paired)


def plan_cohort(preset: Preset, *, source: int | None, target: int | None, test: int | None) -> list[Plan]:
    """Name the cases and deal out centres and grades.

    Raises:
        ConfigError: If a number is negative.
    """
    counts: dict[Split, int] = {
        "source": preset.source if source is None else source,
        "target": preset.target if target is None else target,
        "test": preset.test if test is None else test,
    }
    numbers: dict[Centre, int] = {"ldn": 1, "etz": 0}
    plans: list[Plan] = []
    for split, count in counts.items():
        if count < 0:
            raise ConfigError(f"phantom: expected a number of {split} cases of 0 or more, got {count}.")
        for index in range(count):
            centre: Centre = "etz" if index // len(set(GRADE_CYCLES[split])) % 2 else "ldn"
            name = f"crossmoda{2022 if centre == 'etz' else 2021}_{centre}_{numbers[centre]}"
            numbers[centre] += 1
            cycle = GRADE_CYCLES[split]
            operated = split == "source" and centre == "ldn" and _every(index, 2 * preset.operated)
            grade, number = cycle[index % len(cycle)], len(plans) + 1
            plans.append(Plan(name, split, centre, grade, operated, number))
    return plans


def _every(index: int, share: float) -> bool:
    """Whether the running total of ``share`` passes a whole number at this index."""
    return int((index + 1) * share) > int(index * share)


def write_cohort(
    out: Path,
    preset: Preset,
    plans: Sequence[Plan],
    *,
    seed: int,
    jobs: int,
    progress: Progress,
    layout: LayoutName = "crossmoda2022",
    paired: bool = False,
) -> None:
    """Write the files of planned cases, and the tables."""
    arguments = [(out, preset, plan, seed, layout, paired) for plan in plans]
    names = [plan.case for plan in plans]
    for _ in each_case(write_case, arguments, names=names, jobs=jobs, what="phantom", progress=progress):
        pass
    writer(layout).write_tables(out, plans)


def write_case(
    out: Path,
    preset: Preset,
    plan: Plan,
    seed: int,
    layout: LayoutName = "crossmoda2022",
    paired: bool = False,
) -> None:
    """Make one subject, scan it, and write its files."""
    scanned = scan_subject(preset, plan, seed)
    writer(layout).write_scan(out, scanned)
    if paired and plan.split == "source":
        name = f"{writer(layout).case(plan)}_hrT2.nii.gz"
        write_volume(out / PAIRED_FOLDER / name, scan_again(scanned, preset, seed), step=1.0)


def scan_subject(preset: Preset, plan: Plan, seed: int) -> Scanned:
    """Make one subject and scan it."""
    random = np.random.default_rng([seed, zlib.crc32(plan.case.encode())])
    subject = draw_graded(plan.grade, random)
    protocol = preset.protocols[plan.centre, plan.modality]
    grid = place_grid(protocol, random)
    painting = paint(subject, grid, structure_signals(plan.modality, random))
    voxels = receive(painting.signal, protocol, plan.modality, random)
    scan = Volume(voxels, grid.matrix, plan.modality, plan.case)
    labels = scan.with_labels(painting.labels)
    return Scanned(plan, subject, scan, labels, scan.with_labels(painting.structures))


def scan_again(scanned: Scanned, preset: Preset, seed: int) -> Volume:
    """Scan a source subject in the target modality, on the same grid, without noise or shading.

    Args:
        scanned: The subject and its ceT1 scan.
        preset: Of the cohort.
        seed: Of the cohort.
    """
    plan = scanned.plan
    random = np.random.default_rng([seed, zlib.crc32(plan.case.encode()), 1])
    painting = paint(scanned.subject, scanned.scan.grid, structure_signals("hrT2", random))
    protocol = preset.protocols[plan.centre, "hrT2"]
    voxels = np.rint(painting.signal * (protocol.gain / brightest("hrT2"))).astype(np.float32)
    return scanned.scan.with_voxels(voxels, modality="hrT2")


def draw_graded(grade: int, random: np.random.Generator) -> Subject:
    """Draw a subject whose tumour's geometry has the grade that was asked for."""
    subject = draw_subject(grade, random)
    found = koos_grade(subject.tumour, subject.stem)
    assert found == grade, f"a tumour grown to grade {grade} has the geometry of grade {found}"  # noqa: S101
    return subject
