"""Benchmarks: several entries and seeds under one protocol, and what came of them."""

from cmda_core.pipeline.benchmark.files import benchmark_names, load_benchmark
from cmda_core.pipeline.benchmark.runner import BenchmarkResult, run_benchmark
from cmda_core.pipeline.benchmark.tables import compare_file
from cmda_core.workers import Backend

__all__ = [
    "Backend",
    "BenchmarkResult",
    "benchmark_names",
    "compare_file",
    "load_benchmark",
    "run_benchmark",
]
