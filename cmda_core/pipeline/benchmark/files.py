"""Reads benchmarks: a YAML file of the user's, or one that ships with cmda."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from cmda_core.errors import ConfigError
from cmda_core.files import is_there, real_path
from cmda_core.pipeline.experiments import DATA_FOLDERS, preset_names
from cmda_core.schema import apply_overrides, parse_settings, read_yaml
from cmda_core.schema.benchmark import Benchmark
from cmda_core.schema.settings import merge


def benchmark_names() -> list[str]:
    """Benchmarks that ship with cmda."""
    return sorted(
        entry.name.removesuffix(".yaml") for entry in _shipped().iterdir() if entry.name.endswith(".yaml")
    )


def load_benchmark(source: str, *, overrides: Sequence[str] = ()) -> tuple[Benchmark, list[str]]:
    """Read a benchmark, at its scale.

    Args:
        source: Path of a YAML file, or the name of a benchmark that ships with cmda.
        overrides: ``a.b=c`` assignments. Those whose first word is a setting of a benchmark (such as
            ``seeds`` or ``phantom``) change it; all others are settings of every entry.

    Returns:
        The benchmark, with its scale applied, and the overrides that are left for its entries.

    Raises:
        ConfigError: If the file cannot be read, or a key or value cannot be used.
    """
    own = [text for text in overrides if _first_word(text) in Benchmark.model_fields]
    rest = [text for text in overrides if text not in own]
    values = merge(_read(source), apply_overrides({}, own))
    return _scaled(parse_settings(Benchmark, values, source), values, source), rest


def dump_benchmark(benchmark: Benchmark) -> str:
    """The benchmark as YAML that ``load_benchmark`` reads."""
    content = benchmark.model_dump(mode="json", exclude_none=True)
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return text


def _first_word(assignment: str) -> str:
    return assignment.partition("=")[0].partition(".")[0].strip()


def _shipped() -> Any:
    return files("cmda_core.presets") / "benchmarks"


def _read(source: str) -> dict[str, Any]:
    path, name = Path(source), source.removesuffix(".yaml")
    if name in benchmark_names() and not is_there(path):
        return dict(yaml.safe_load((_shipped() / f"{name}.yaml").read_text(encoding="utf-8")))
    if not is_there(path):
        raise ConfigError(
            f"{source}: no such benchmark file. Those that ship with cmda: {', '.join(benchmark_names())}."
        )
    return _relative_to(real_path(path.parent), read_yaml(path))


def _relative_to(folder: Path, values: dict[str, Any]) -> dict[str, Any]:
    base = values.get("base")
    if isinstance(base, str) and (folder / base).is_file() and base not in preset_names():
        values = {**values, "base": str(folder / base)}
    if isinstance(values.get("settings"), dict):
        values = {**values, "settings": _with_folders(folder, values["settings"])}
    return values


def _with_folders(folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    data = settings.get("data")
    if not isinstance(data, dict):
        return dict(settings)
    named = {key: str(folder / data[key]) for key in DATA_FOLDERS if isinstance(data.get(key), str)}
    return {**settings, "data": {**data, **named}}


def _scaled(benchmark: Benchmark, values: Mapping[str, Any], source: str) -> Benchmark:
    if benchmark.scale is None:
        return benchmark
    scale = benchmark.scales[benchmark.scale]
    changes: dict[str, Any] = {
        "entries": [
            {**entry.model_dump(mode="json"), "settings": merge(entry.settings, scale.settings)}
            for entry in benchmark.entries
        ]
    }
    if scale.seeds is not None:
        changes["seeds"] = scale.seeds
    if scale.phantom:
        changes["phantom"] = merge(values.get("phantom") or {}, scale.phantom)
    changed = {key: value for key, value in values.items() if key not in ("scale", "scales")} | changes
    return parse_settings(Benchmark, changed, f"{source} (scale {benchmark.scale})")
