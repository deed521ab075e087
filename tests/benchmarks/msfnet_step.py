"""Measures a training step of MSF-Net against the same step with the passes that its authors publish.

    python -m tests.benchmarks.msfnet_step --threads 2

The same weights and inputs, each in a process of its own; each turn does one step of either. Further
tables: what the options of the training cost and bring, where the operations go, and what share of the
machine's convolution peak is reached.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import torch
from torch import nn

from .measuring import CLOCKS, Clock, Table, arguments, finish, interleaved, medians, ratio
from .msfnet_cases import COMMON, QUICK, SIZES, Ours, Size, batches, reference
from .operations import Operations, counted, networks_of
from .step_process import StepProcess

GOAL = 0.45
PARTS = ("step", "options", "operations")
OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "`winograd: false`": ({"winograd": False}, "32-true"),
    "`channels_last: true`": ({"channels_last": True}, "32-true"),
    "`checkpointing: true`": ({"checkpointing": True}, "32-true"),
    "`compile: true`": ({"compile": True}, "32-true"),
    "`ema: 0.999`": ({"ema": 0.999}, "32-true"),
    "`--precision bf16-mixed`": ({}, "bf16-mixed"),
}


def compare(sizes: Mapping[str, Size], repeats: int, clock: str) -> Table:
    """Time of our step as a share of the reference's."""
    rows = []
    for name, size in sizes.items():
        with StepProcess("reference", size, clock) as reference, StepProcess("ours", size, clock) as ours:
            gap = largest_gap(ours.step()[1], reference.step()[1])
            turns = [(reference.step()[0], ours.step()[0]) for _ in range(repeats)]
        theirs, own = (median(seconds) for seconds in zip(*turns, strict=True))
        share = median(one / other for other, one in turns)
        rows.append([name, f"{theirs:.2f}", f"{own:.2f}", f"{share:.2f}", f"{gap:.0e}"])
    header = ["size", "reference, s", "ours, s", f"share (goal {GOAL})", "largest relative gap of a loss"]
    return Table("A training step of MSF-Net", header, rows)


def largest_gap(ours: Mapping[str, float], reference: Mapping[str, float]) -> float:
    """Largest relative difference of a loss term."""
    if ours.keys() != reference.keys():
        raise ValueError(f"other loss terms: {sorted(ours)} and {sorted(reference)}")
    return max(abs(ours[key] / reference[key] - 1) for key in ours)


def options(size: Size, repeats: int, clock: Clock, *, compiled: bool) -> Table:
    """Time of a step with each option as a share of the time without."""
    rows = []
    pair = batches(size)
    for name, (changes, precision) in OPTIONS.items():
        if "compile" in changes and not compiled:
            continue
        with Ours(size) as plain, Ours(size, changes, precision) as other:
            start = time.perf_counter()
            other(*pair)
            first = time.perf_counter() - start
            works = {"plain": lambda p=plain: p(*pair), name: lambda o=other: o(*pair)}
            seconds = interleaved(works, repeats, clock=clock)
        rows.append([name, f"{ratio(seconds, name, 'plain'):.2f}", f"{first:.1f}"])
    return Table("Options of the training", ["option", "time against none", "first step, s"], rows)


def operations(sizes: Mapping[str, Size], repeats: int, clock: Clock) -> list[Table]:
    """Floating-point operations of a step by network, and the share of the convolution peak."""
    big = nn.Conv2d(256, 256, 3, padding=1).requires_grad_(False)
    features = torch.randn(8, 256, 64, 64)
    of_big = 2 * 9 * 256 * 256 * features[:, :1].numel()
    tables, speeds = [], []
    for name, size in sizes.items():
        pair = batches(size)
        # Without Winograd's algorithm: what is counted is what the definition asks for.
        with Ours(size, {"winograd": False}) as direct:
            ours = counted(direct, networks_of(direct.method), pair)
            works = {"conv": lambda: big(features), "winograd: false": lambda d=direct, p=pair: d(*p)}
            middle = medians(interleaved(works, repeats, clock=clock))
        other = reference(size)
        theirs = counted(other, other.networks(), pair)
        with Ours(size) as quick:
            works = {"as it is": lambda q=quick, p=pair: q(*p)}
            middle |= medians(interleaved(works, repeats, clock=clock))
        tables.append(_operations_table(name, ours, theirs))
        peak = of_big / middle.pop("conv")
        for way, seconds in middle.items():
            speed = ours.step / seconds
            speeds.append(
                [f"{name}, {way}", f"{speed / 1e9:.0f}", f"{peak / 1e9:.0f}", f"{speed / peak:.2f}"]
            )
    header = ["size", "GFLOP/s of our step", "of a large convolution", "share"]
    return [*tables, Table("Share of the convolution peak", header, speeds)]


def _operations_table(size: str, ours: Operations, theirs: Operations) -> Table:
    rows = [
        [name, f"{ours.forward[name] / 1e9:.2f}", str(images), str(theirs.images[name])]
        for name, images in ours.images.items()
    ]
    rows.append(["a step, both ways, GFLOP", "", f"{ours.step / 1e9:,.1f}", f"{theirs.step / 1e9:,.1f}"])
    header = ["network", "an image one way, GFLOP", "images in our step", "in the reference"]
    return Table(f"Operations of a step: {size}", header, rows)


def main() -> None:
    """Print the tables."""
    parser = arguments(__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    finish(chosen, list(_tables(chosen)))


def _tables(chosen: argparse.Namespace) -> list[Table]:
    repeats, clock = chosen.repeats or (2 if chosen.quick else 3), CLOCKS[chosen.clock]
    sizes = {"small": QUICK} if chosen.quick else {name: SIZES[name] for name in chosen.sizes}
    half = QUICK if chosen.quick else Size(COMMON | {"channels": 32, "discriminator_layers": 4}, (128, 128))
    work: dict[str, Callable[[], list[Table]]] = {
        "step": lambda: [compare(sizes, repeats, chosen.clock)],
        "options": lambda: [options(half, repeats, clock, compiled=not chosen.quick)],
        "operations": lambda: operations(sizes, repeats, clock),
    }
    return [table for part in chosen.parts for table in work[part]()]


if __name__ == "__main__":
    main()
