"""Measures trainings on a CUDA device: MSF-Net's steps, where their time goes, and feeding them from disk.

    python -m tests.benchmarks.device

The reference is the step that MSF-Net's authors publish (`reference_step`). A turn does several steps of
each way one after the other and waits for the device once, at its end.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from cmda_core.schema import Runtime

from .feeding import waiting
from .flops import BATCH, PATCH, nnu_net_network
from .measuring import Table, Work, arguments, finish, interleaved, ratio
from .msfnet_cases import QUICK, SIZES, Ours, Size, batches, reference
from .operations import counted, networks_of

PARTS = ("steps", "kernels", "recorded", "waiting", "nnunet")
PRECISIONS = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16}
MEASURED = {name: SIZES[name] for name in ("paper", "demo")}


@dataclass(frozen=True, slots=True)
class Way:
    """One way to do a step.

    Attributes:
        settings: Of ours; None is the reference.
        tuned: Let cuDNN try its algorithms at every new shape and keep the fastest.
    """

    settings: Mapping[str, Any] | None
    tuned: bool = False


WAYS: Mapping[str, Way] = {
    "reference": Way(None),
    "ours": Way({}),
    "tuned": Way({}, tuned=True),
    "channels-last": Way({"channels_last": True}),
    "checkpointing": Way({"checkpointing": True}),
    "compile": Way({"compile": True}),
}
SLOW_TO_BEGIN = {"compile"}


@contextmanager
def prepared(way: Way, precision: str, size: Size, device: str) -> Iterator[Callable[[], object]]:
    """A step that can be called, with networks on the device."""
    pair = [batch.to(torch.device(device)) for batch in batches(size)]
    way_settings, half = way.settings, precision == "bf16-mixed"
    with ExitStack() as stack:
        step: Any = (
            reference(size, device)
            if way_settings is None
            else stack.enter_context(Ours(size, way_settings, precision, device))
        )

        def call() -> object:
            with ExitStack() as around:
                around.enter_context(
                    torch.backends.cudnn.flags(enabled=True, benchmark=way.tuned, allow_tf32=True)
                )
                if way_settings is None:  # ours sees to its precision itself
                    around.enter_context(torch.autocast(device, torch.bfloat16, enabled=half))
                return step(*pair)

        yield call


def steps(
    name: str, size: Size, device: str, ways: Sequence[str], repeats: int, each: int
) -> tuple[Table, Mapping[str, float]]:
    """Time and memory of every way at each precision; also the seconds of ours."""
    wait = _waiting_for(device)
    works: dict[str, Work] = {}
    gigabytes, first = {}, {}
    with ExitStack() as stack:
        for label, way, precision in _labelled(ways):
            held = _allocated(device)
            if device == "cuda":
                torch.cuda.reset_peak_memory_stats()
            step = stack.enter_context(prepared(WAYS[way], precision, size, device))
            first[label] = _seconds(lambda s=step: (s(), wait()))
            for _ in range(2):
                step()
            gigabytes[label] = (_peak(device) - held) / 1e9
            works[label] = lambda s=step: ([s() for _ in range(each)], wait())
        seconds = interleaved(works, repeats, warm=False)
    baseline, *_ = works
    rows = [
        [
            label,
            f"{1000 * median(values) / each:.1f}",
            f"{ratio(seconds, label, baseline):.2f}",
            f"{gigabytes[label]:.2f}",
            f"{first[label]:.1f}",
        ]
        for label, values in seconds.items()
    ]
    header = ["step", "ms", "share of the first row", "peak GB", "first step, s"]
    ours = {
        precision: median(seconds[label]) / each for label, way, precision in _labelled(ways) if way == "ours"
    }
    return Table(f"A training step of MSF-Net, {name}", header, rows), ours


def _labelled(ways: Sequence[str]) -> list[tuple[str, str, str]]:
    return [(f"{way}, {precision}", way, precision) for precision in PRECISIONS for way in ways]


def rates(size: Size, device: str, seconds: Mapping[str, float]) -> Table:
    """Operations per second of our step beside those of a large convolution."""
    with Ours(size, {}, "32-true", device) as ours:
        pair = tuple(batch.to(torch.device(device)) for batch in batches(size))
        step = counted(ours, networks_of(ours.method), (pair[0], pair[1])).step
    rows = []
    for precision, taken in seconds.items():
        peak = convolution_rate(device, PRECISIONS[precision])
        rate = step / taken
        rows.append([precision, f"{rate / 1e12:.1f}", f"{peak / 1e12:.1f}", f"{rate / peak:.2f}"])
    header = ["precision", "TFLOP/s of our step", "of a large convolution", "share"]
    return Table(f"Share of the convolution peak, {step / 1e9:,.0f} GFLOP a step", header, rows)


def convolution_rate(device: str, kind: torch.dtype, repeats: int = 10) -> float:
    """Operations per second of 3 × 3 convolutions of 256 channels."""
    edge, images = (128, 32) if device == "cuda" else (32, 2)
    conv = nn.Conv2d(256, 256, 3, padding=1).requires_grad_(False).to(device, kind)
    features = torch.randn(images, 256, edge, edge, device=device, dtype=kind)
    conv, features = (part.to(memory_format=torch.channels_last) for part in (conv, features))
    wait = _waiting_for(device)
    with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=True):
        conv(features)
        wait()
        each = [_seconds(lambda: (conv(features), wait())) for _ in range(repeats)]
    return 2 * 9 * 256 * 256 * images * edge * edge / median(each)


def kernels(name: str, size: Size, device: str, precision: str, each: int, most: int = 12) -> Table:
    """Which kernels a step spends the device's time in, and how much of the time the device has work."""
    wait = _waiting_for(device)
    with prepared(WAYS["ours"], precision, size, device) as step:
        for _ in range(3):
            step()
        wait()
        plain = _seconds(lambda: ([step() for _ in range(each)], wait())) / each
        activity = ProfilerActivity.CUDA if device == "cuda" else ProfilerActivity.CPU
        with profile(activities=[activity], acc_events=True) as profiler:
            for _ in range(each):
                step()
            wait()
    events = [event for event in profiler.key_averages() if event.device_type == DeviceType.CUDA]
    events.sort(key=lambda event: event.self_device_time_total, reverse=True)
    busy = sum(event.self_device_time_total for event in events) / 1e6 / each
    rows = [
        [
            f"`{event.key[:70]}`",
            f"{event.count / each:.0f}",
            f"{event.self_device_time_total / 1e3 / each:.2f}",
            f"{100 * event.self_device_time_total / 1e6 / each / busy:.0f} %",
        ]
        for event in events[:most]
    ]
    count = sum(event.count for event in events) / each
    share = f"{100 * busy / plain:.0f} % of {1000 * plain:.1f} ms"
    rows.append(["all", f"{count:.0f}", f"{1000 * busy:.2f}", f"busy {share}"])
    return Table(f"Kernels of a step, {name}, {precision}", ["kernel", "calls", "ms", "share"], rows)


def recorded(sizes: Mapping[str, Size], each: int) -> Table:
    """Steps as they are, kernel by kernel, and recorded once as a CUDA graph and replayed.

    An experiment: replayed, the rate of learning and all that is drawn at random stay what they were.
    """
    rows = []
    for name, size in sizes.items():
        pair = [batch.to(torch.device("cuda")) for batch in batches(size)]
        for precision in PRECISIONS:
            with Ours(size, {}, precision, "cuda") as ours:
                for optimizer in ours.optimizers:
                    for group in optimizer.param_groups:
                        group["capturable"] = True
                aside = torch.cuda.Stream()
                aside.wait_stream(torch.cuda.current_stream())
                with torch.cuda.stream(aside):
                    for _ in range(4):
                        ours(*pair)
                torch.cuda.current_stream().wait_stream(aside)
                plain = _per_step(lambda o=ours, p=pair: o(*p), each)
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph):
                    ours(*pair)
                replayed = _per_step(graph.replay, each)
            rows.append([f"{name}, {precision}", f"{1000 * plain:.1f}", f"{1000 * replayed:.1f}"])
    return Table("A step as a CUDA graph", ["size", "kernel by kernel, ms", "replayed, ms"], rows)


def _per_step(step: Work, each: int) -> float:
    torch.cuda.synchronize()
    return _seconds(lambda: ([step() for _ in range(each)], torch.cuda.synchronize())) / each


def feeding(device: str, *, quick: bool) -> Table:
    """How long trainings wait for their samples from disk."""
    rows = []
    for name, size in MEASURED.items():
        if quick and name != "demo":
            continue
        shape = (size.shape[1], size.shape[0], 24 if name == "demo" else 80)
        for precision in PRECISIONS:
            runtime = Runtime(device=device, precision=precision)
            with tempfile.TemporaryDirectory() as folder:
                found = waiting(
                    Path(folder), 1 if quick else 20, runtime, shape=shape, settings=size.settings
                )
            rows += [[f"{name}, {precision}", *row] for row in found]
    return Table("Waiting for samples", ["size", "steps", "step, s", "waiting (goal < 5 %)"], rows)


def nnunet(device: str, repeats: int, each: int) -> Table:
    """A step of the network that nnU-Net plans, in half precision, with and without cuDNN's trials."""
    network = nnu_net_network().to(device)
    patch = torch.randn(BATCH, 1, *PATCH, device=device)
    wait = _waiting_for(device)

    def step(tuned: bool) -> None:
        with (
            torch.backends.cudnn.flags(enabled=True, benchmark=tuned, allow_tf32=True),
            torch.autocast(device, torch.float16 if device == "cuda" else torch.bfloat16),
        ):
            loss = network(patch).float().square().mean()
        with torch.backends.cudnn.flags(enabled=True, benchmark=tuned, allow_tf32=True):
            loss.backward()

    works: dict[str, Work] = {
        name: lambda t=tuned: ([step(t) for _ in range(each)], wait())
        for name, tuned in (("plain", False), ("tuned", True))
    }
    seconds = interleaved(works, repeats)
    rows = [[name, f"{1000 * median(values) / each:.1f}"] for name, values in seconds.items()]
    return Table("A step of nnU-Net's network", ["way", "ms"], rows)


def _waiting_for(device: str) -> Callable[[], None]:
    return torch.cuda.synchronize if device == "cuda" else lambda: None


def _allocated(device: str) -> int:
    return torch.cuda.memory_allocated() if device == "cuda" else 0


def _peak(device: str) -> int:
    return torch.cuda.max_memory_allocated() if device == "cuda" else 0


def _seconds(work: Work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Print the tables."""
    parser = arguments(__doc__)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu: to try the script")
    quick = [way for way in WAYS if way not in SLOW_TO_BEGIN]
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=quick, help="of doing a step")
    parser.add_argument("--sizes", nargs="+", choices=list(MEASURED), default=list(MEASURED))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    finish(options, _tables(options))


def _tables(options: Any) -> Iterator[Table]:
    device, each = options.device, 2 if options.quick else 5
    sizes = {"small": QUICK} if options.quick else {name: MEASURED[name] for name in options.sizes}
    repeats = options.repeats or (2 if options.quick else 5)
    for name, size in sizes.items():
        if "steps" in options.parts:
            table, seconds = steps(name, size, device, options.ways, repeats, each)
            yield table
            if seconds:
                yield rates(size, device, seconds)
        if "kernels" in options.parts:
            for precision in PRECISIONS:
                yield kernels(name, size, device, precision, each)
    if "recorded" in options.parts and device == "cuda":
        yield recorded(sizes, 2 * each)
    if "waiting" in options.parts:
        yield feeding(device, quick=options.quick)
    if "nnunet" in options.parts and not options.quick:
        yield nnunet(device, repeats, each)


if __name__ == "__main__":
    main()
