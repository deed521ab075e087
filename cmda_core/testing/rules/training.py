"""What every kind promises of its training and of what it keeps."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal
from unittest import SkipTest

import numpy as np

from cmda_core.files import SAFE_ENDINGS
from cmda_core.testing.check import Rule, expect
from cmda_core.testing.cohorts import HIDDEN
from cmda_core.testing.subject import Answers, CountingProgress, Interruption, Subject

_DEVICES_AGREE = 0.05
"""Largest usual difference between the answers of the CPU and of an accelerator, whose arithmetic differs."""

_FEW = 0.01
"""Share of the values that may differ by more: what a threshold cuts off changes at once."""


def learns(subject: Subject) -> None:
    """`fit` learns from a tiny cohort of odd-sized, anisotropic images."""
    if isinstance(subject.training, Exception):
        raise subject.training


def writes_into_its_folder_alone(subject: Subject) -> None:
    """`fit` writes nowhere but into the folder of its run."""
    training = subject.trained
    outside = training.traces.written_outside(training.folder)
    expect(
        not outside,
        f"fit() wrote {', '.join(map(str, outside[:3]))}{' and more' * (len(outside) > 3)}.",
        "Write below run.folder.",
    )


def leaves_the_process_alone(subject: Subject) -> None:
    """`fit` leaves environment and working directory as they were, and prints nothing."""
    traces = subject.trained.traces
    expect(
        not traces.changed,
        f"After fit(): {'; '.join(traces.changed[:3])}.",
        "Put back what a library needs otherwise, in a finally block.",
    )
    expect(
        not traces.printed.strip(),
        f"fit() printed {traces.printed.strip()[:60]!r}.",
        "Use run.progress.note and run.log.",
    )


def reads_no_target_labels(subject: Subject) -> None:
    """`fit` does not open the labels of the target cohort, even where they lie near its images."""
    hidden = subject.work / "data" / HIDDEN
    opened = [path for path in subject.trained.traces.read if path.is_relative_to(hidden)]
    expect(
        not opened,
        f"fit() opened {opened[0] if opened else ''}.",
        "Open what the cases of data.target name, and no more: the target has no labels in this task.",
    )


def answers_the_same_again(subject: Subject) -> None:
    """Asked twice, a model gives the same answer, bit for bit."""
    _expect_same(
        subject.answers(subject.model),
        subject.answers(subject.model),
        "Asked again,",
        "Put networks into eval mode and draw no random numbers at inference.",
    )


def same_seed_same_model(subject: Subject) -> None:
    """Trained again with the same seed on the CPU, it is the same model, bit for bit."""
    first, again = subject.model, subject.fit("again")
    mend = "Draw from run.seed alone: cmda_core.training.loop.seed_everything before networks are made."
    _expect_same(subject.answers(first), subject.answers(again), "Trained again,", mend)
    _expect_same_files(subject.saved(first, "first"), subject.saved(again, "again"), "trained again", mend)


def resumes_where_it_stopped(subject: Subject) -> None:
    """An interrupted `fit`, called again with the same run, ends as an uninterrupted one, bit for bit."""
    steps = subject.trained.steps
    model, interrupted = _interrupted(subject, steps)
    what = "Interrupted twice and resumed," if interrupted else "With a finished run,"
    mend = (
        "Keep networks, optimisers, schedules and random generators in a checkpoint in run.folder, as "
        "cmda_core.training.train does, or begin anew."
    )
    _expect_same(subject.answers(subject.model), subject.answers(model), what, mend)


def survives_save_and_load(subject: Subject) -> None:
    """What `save` wrote, `load` restores from any place, and it answers the same, bit for bit."""
    folder = subject.saved(subject.model, "first")
    moved = subject.work / "moved"
    if not moved.exists():
        shutil.copytree(folder, moved)
    _expect_same(
        subject.answers(subject.model),
        subject.answers(subject.load(moved)),
        "Loaded,",
        "Save all that inference needs: weights, settings, the task.",
    )


def saves_portable_files(subject: Subject) -> None:
    """`save` writes data alone, in formats that hold no code, and no path of this machine."""
    folder = subject.saved(subject.model, "first")
    files = _files(folder)
    expect(bool(files), "save() wrote nothing.", "Write all that load needs into the folder.")
    foreign = [name for name in files if not name.endswith(SAFE_ENDINGS)]
    expect(
        not foreign, f"save() wrote {', '.join(foreign)}.", f"Use {', '.join(SAFE_ENDINGS)}: never pickle."
    )
    text = {name: content for name, content in files.items() if name.endswith((".json", ".yaml", ".txt"))}
    bound = [name for name, content in text.items() if str(subject.work).encode() in content]
    expect(
        not bound,
        f"{', '.join(bound)} names a folder of this machine.",
        "Leave paths out, as cmda_core.schema.portable_settings does.",
    )


def works_on_the_accelerator(subject: Subject) -> None:
    """Trained on this machine's GPU it answers there, and saved, as well on the CPU."""
    device = _accelerator()
    if device is None:
        raise SkipTest("needs a CUDA or MPS device, found none")
    subject.trained  # noqa: B018  # what does not learn on the CPU is told of once
    model = subject.fit("accelerator", device=device)
    there = subject.answers(model)
    here = subject.answers(subject.load(subject.saved(model, "accelerator")))
    for name, values in there.items():
        expect(
            bool(np.isfinite(values).all()), f"{name} on {device}: not finite.", "Look for mixed precision."
        )
        if values.dtype.kind == "f":
            away = np.abs(values - here[name])
            expect(
                float((away <= _DEVICES_AGREE).mean()) >= 1 - _FEW,
                f"{name}: {device} and CPU differ by up to {away.max():.3g}.",
                "Compute in the same way on both.",
            )


def _interrupted(subject: Subject, steps: int) -> tuple[Any, bool]:
    interrupted = False
    for share in (1 / 3, 2 / 3):
        limit = max(1.0, steps * share) if steps else float("inf")
        try:
            model = subject.fit("interrupted", progress=CountingProgress(limit))
        except Interruption:
            interrupted = True
        else:
            break
    else:
        return subject.fit("interrupted"), True
    # What reports no steps cannot be stopped half-way: then a finished run must at least be no obstacle.
    return (model, True) if interrupted else (subject.fit("interrupted"), False)


def _expect_same(expected: Answers, found: Answers, what: str, mend: str) -> None:
    for name, values in expected.items():
        other = found[name]
        expect(
            values.shape == other.shape and values.dtype == other.dtype,
            f"{what} {name} is {other.dtype}{other.shape} instead of {values.dtype}{values.shape}.",
            mend,
        )
        if not np.array_equal(values, other):
            away = float(np.abs(values.astype(np.float64) - other.astype(np.float64)).max())
            expect(False, f"{what} {name} differs by up to {away:.3g}.", mend)


def _expect_same_files(first: Path, second: Path, what: str, mend: str) -> None:
    ours, theirs = _files(first), _files(second)
    different = sorted(name for name in ours.keys() | theirs if ours.get(name) != theirs.get(name))
    expect(
        not different,
        f"{what.capitalize()}, save() wrote other bytes into {', '.join(different)}.",
        f"{mend} Write no times.",
    )


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def _accelerator() -> Literal["cuda", "mps"] | None:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else None


TRAINING: tuple[Rule, ...] = (
    learns,
    writes_into_its_folder_alone,
    leaves_the_process_alone,
    answers_the_same_again,
    same_seed_same_model,
    resumes_where_it_stopped,
    survives_save_and_load,
    saves_portable_files,
)
