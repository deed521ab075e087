from pathlib import Path

import pytest

from cmda_core.errors import ConfigError
from cmda_core.pipeline import load_experiment, preset_names


def test_presets_are_valid() -> None:
    assert {"demo", "paper", "official"} <= set(preset_names())
    for name in preset_names():
        assert load_experiment(name).name == name


def test_overrides_win_over_the_file_and_keep_its_other_settings(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("translator: {plugin: msf-net, epochs: 3, channels: 8}\nruntime: {seed: 4}\n")
    experiment = load_experiment(str(path), overrides=["translator.epochs=5", "runtime.seed=7"])
    assert experiment.translator.settings == {"epochs": 5, "channels": 8}
    assert experiment.runtime.seed == 7


def test_another_plugin_does_not_inherit_the_settings_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("translator: {plugin: msf-net, proxies: [vs]}\n")
    chosen = load_experiment(str(path), overrides=["translator.plugin=cyclegan", "translator.epochs=2"])
    assert chosen.translator.plugin == "cyclegan"
    assert chosen.translator.settings == {"epochs": 2}


def test_data_folders_are_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("preset: demo\ndata: {root: scans}\n")
    assert load_experiment(str(path)).data.root == (tmp_path / "scans").resolve()


def test_a_file_may_start_from_a_preset(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("preset: demo\nname: mine\n")
    experiment = load_experiment(str(path))
    assert experiment.name == "mine"
    assert experiment.baselines.source_only


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("translater: {plugin: msf-net}", "Did you mean 'translator'"),
        ("preset: demoo", "no preset is named 'demoo'"),
        ("- a list", "expected 'key: value' lines"),
        ("a: [", "not valid YAML"),
        ("runtime: {seed: -1}", "runtime.seed = -1"),
        ("task: {source: hrT2}", "two modalities"),
    ],
)
def test_bad_files_are_named_with_what_is_wrong(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message) as raised:
        load_experiment(str(path))
    assert "bad.yaml" in str(raised.value)


def test_a_missing_file_lists_the_presets() -> None:
    with pytest.raises(ConfigError, match="Presets that ship with cmda: demo"):
        load_experiment("nowhere.yaml")


def test_a_folder_named_like_a_preset_does_not_hide_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "demo").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_experiment("demo").name == "demo"


def test_a_setting_can_be_added_to_a_plugin_named_alone(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text("translator: cyclegan\n")
    experiment = load_experiment(str(path), overrides=["translator.steps=2", "grader.folds=3"])
    assert experiment.translator.plugin == "cyclegan"
    assert experiment.translator.settings == {"steps": 2}
    assert experiment.grader.plugin == "msf-koos-net"
