from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cmda_core.errors import ConfigError
from cmda_core.pipeline.benchmark import benchmark_names, load_benchmark
from cmda_core.pipeline.benchmark.files import dump_benchmark
from cmda_core.pipeline.benchmark.runs import plan_runs
from cmda_core.registry import Registry


@pytest.mark.parametrize("name", benchmark_names())
@pytest.mark.parametrize("scale", [None, "minutes", "hours"])
def test_benchmarks_that_ship_are_valid_down_to_every_plugin(
    name: str, scale: str | None, tmp_path: Path
) -> None:
    benchmark, rest = load_benchmark(name, overrides=[f"scale={scale}"] if scale else [])
    runs = plan_runs(benchmark, tmp_path / "out", Registry.installed(), rest)
    assert len(runs) == len(benchmark.entries) * len(benchmark.seeds)
    assert not (tmp_path / "out").exists()


def test_the_paper_s_ablations_are_what_their_names_say(tmp_path: Path) -> None:
    benchmark, _ = load_benchmark("phantom-table1.yaml", overrides=["seeds=[3]"])
    runs = {run.entry: run.experiment for run in plan_runs(benchmark, tmp_path, Registry.installed())}
    assert runs["CycleGAN"].translator.plugin == "cyclegan"
    assert runs["CycleGAN"].translator.settings["epochs"] == runs["MSF-Net"].translator.settings["epochs"]
    assert runs["MSF-Net without VS and GIF"].translator.settings["proxies"] == []
    assert runs["MSF-Net without GIF"].translator.settings["proxies"] == ["vs"]
    assert "proxies" not in runs["MSF-Net"].translator.settings
    assert {run.runtime.seed for run in runs.values()} == {3}


def test_translations_are_compared_under_the_settings_of_the_translators(tmp_path: Path) -> None:
    runs = {}
    for name in ("phantom-translators", "phantom-table1", "phantom-translations"):
        benchmark, _ = load_benchmark(name, overrides=["seeds=[3]"])
        planned = plan_runs(benchmark, tmp_path, Registry.installed())
        runs[name] = {run.entry: run.experiment for run in planned}
    for entry, experiment in runs["phantom-translations"].items():
        others = [found[entry] for name, found in runs.items() if name != benchmark.name and entry in found]
        assert others
        assert all(other.translator == experiment.translator for other in others)
        assert experiment.data.paired == tmp_path / "data" / "paired_reference"
    assert {"CUT", "NICE-GAN", "MSF-Net without GIF"} <= runs["phantom-translations"].keys()


def test_entries_of_self_training_are_what_their_names_say(tmp_path: Path) -> None:
    benchmark, _ = load_benchmark("phantom-selftraining", overrides=["seeds=[3]"])
    runs = {run.entry: run.experiment for run in plan_runs(benchmark, tmp_path, Registry.installed())}
    found = {
        name: (one.intensity_augmentation.factors, one.self_training.rounds) for name, one in runs.items()
    }
    assert found == {
        "MSF-Net": ((), 0),
        "MSF-Net + tumour augmentation": ((0.5,), 0),
        "MSF-Net + one round of self-training": ((), 1),
        "MSF-Net + self-training": ((), 2),
        "MSF-Net + both": ((0.5,), 2),
    }
    assert {one.translator.plugin for one in runs.values()} == {"msf-net"}


def test_overrides_change_the_benchmark_or_every_entry(tmp_path: Path) -> None:
    benchmark, rest = load_benchmark(
        "phantom-table1", overrides=["seeds=[7]", "phantom.test=4", "segmenter.epochs=2", "name=mine"]
    )
    assert (benchmark.seeds, benchmark.name) == ((7,), "mine")
    assert rest == ["segmenter.epochs=2"]
    runs = plan_runs(benchmark, tmp_path, Registry.installed(), rest)
    assert {run.experiment.segmenter.settings["epochs"] for run in runs} == {2}


def test_a_scale_replaces_seeds_and_settings_of_every_entry(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "base: demo\nphantom: {preset: standard, test: 9}\nseeds: [0, 1]\nscale: small\n"
        "entries: [{name: a, settings: {translator: {epochs: 9}}}, {name: b}]\n"
        "scales: {small: {seeds: [5], phantom: {test: 3}, settings: {translator: {epochs: 1}}}}\n"
    )
    benchmark, _ = load_benchmark(str(path))
    assert benchmark.seeds == (5,)
    assert benchmark.phantom is not None
    assert (benchmark.phantom.preset, benchmark.phantom.test) == ("standard", 3)
    assert [entry.settings["translator"]["epochs"] for entry in benchmark.entries] == [1, 1]


def test_what_is_written_down_reads_back_the_same(tmp_path: Path) -> None:
    benchmark, _ = load_benchmark("phantom-koos")
    (tmp_path / "again.yaml").write_text(dump_benchmark(benchmark))
    assert load_benchmark(str(tmp_path / "again.yaml"))[0] == benchmark


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"entries": []}, "entries"),
        ({"entries": [{"name": "a"}, {"name": "A!"}]}, "'a' is there twice"),
        ({"entries": [{"nome": "a"}]}, "nome: no such setting"),
        ({"entries": [{"name": "a", "training": "magic"}]}, "magic"),
        ({"baseline": "b"}, "baseline must be one of the entries: a"),
        ({"seeds": [0, 0]}, "'0' is there twice"),
        ({"seeds": []}, "seeds"),
        ({"metrics": ["dise"]}, "dise"),
        ({"scale": "huge"}, "scale must be one of"),
        ({"entries": [{"name": "a", "training": "oracle"}], "metrics": ["mamse"]}, "segmentation alone"),
        ({"entires": []}, "Did you mean 'entries'"),
    ],
)
def test_mistakes_are_named(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"entries": [{"name": "a"}], **changes}))
    with pytest.raises(ConfigError, match=message) as raised:
        load_benchmark(str(path))
    assert "mine.yaml" in str(raised.value)


def test_a_benchmark_that_is_not_there_is_named_with_those_that_are() -> None:
    names = ", ".join(benchmark_names())
    assert "phantom-table1" in names
    with pytest.raises(ConfigError, match=names):
        load_benchmark("phantom-table2")


def test_a_folder_named_like_a_benchmark_does_not_hide_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "phantom-koos").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_benchmark("phantom-koos")[0].name == "phantom-koos"


def test_a_wrong_setting_names_its_entry_before_anything_runs(tmp_path: Path) -> None:
    benchmark, rest = load_benchmark("phantom-table1", overrides=["runtime.speed=9"])
    with pytest.raises(ConfigError, match=r"entry 'source only': (.|\n)*speed: no such setting"):
        plan_runs(benchmark, tmp_path, Registry.installed(), rest)
