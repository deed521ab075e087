from __future__ import annotations

import json
import re
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from cmda_core import registry


def test_list_names_the_installed_plugins(cmda: Any) -> None:
    result = cmda("plugins", "list", "--json")
    assert result.code == 0
    names = {(plugin["kind"], plugin["name"]) for plugin in json.loads(result.out)}
    assert ("grader", "volumetrics") in names


def test_show_prints_settings_and_reference(cmda: Any) -> None:
    result = cmda("plugins", "show", "volumetrics")
    assert result.code == 0
    assert "reference: https://" in result.out
    assert 'inverse_regularisation  float or "auto"' in result.out


def test_schema_is_for_editors(cmda: Any) -> None:
    schema = json.loads(cmda("plugins", "show", "volumetrics", "--schema").out)
    assert schema["properties"]["folds"]["maximum"] == 20


def test_show_of_an_unknown_plugin(cmda: Any) -> None:
    result = cmda("plugins", "show", "volumetric")
    assert result.code == 1
    assert "Did you mean 'volumetrics'?" in result.err


def test_broken_plugin_is_reported_on_stderr(cmda: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint("lost", "cmda_no_such_module", "cmda.plugins")]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    result = cmda("plugins", "list", "--json")
    assert result.code == 0
    assert json.loads(result.out) == []
    assert "plugin 'lost' is broken: No module named 'cmda_no_such_module'" in result.err


def test_doctor_prints_json(cmda: Any) -> None:
    facts = json.loads(cmda("doctor", "--json").out)
    assert facts["cores"] >= 1
    assert "cpu" in facts["devices"]
    assert facts["packages"]["cmda"] != "missing"


@pytest.mark.usefixtures("toys")
def test_check_prints_every_rule_and_fails_if_one_is_broken(cmda: Any) -> None:
    result = cmda("plugins", "check", "toy", "--kind", "grader")
    assert result.code == 1
    assert "grades_from_one_to_four" in result.out
    assert re.search(r"^refuses_before_training +broken ", result.out, flags=re.MULTILINE)
    assert "Before fit() it answers. Raise cmda_core.errors.NotTrainedError." in result.out


def test_check_of_a_sound_plugin_as_json(cmda: Any) -> None:
    result = cmda("plugins", "check", "volumetrics", "--json")
    assert result.code == 0
    (report,) = json.loads(result.out)
    assert (report["kind"], report["kept"]) == ("grader", True)
    rules = {rule["rule"]: rule for rule in report["rules"]}
    assert rules["learns"]["verdict"] == "kept"
    assert rules["refuses_to_go_without_its_encoder"]["seen"] == "the offer needs no encoder"


def test_check_of_another_kind(cmda: Any) -> None:
    result = cmda("plugins", "check", "volumetrics", "--kind", "segmenter")
    assert result.code == 1
    assert "no segmenter named 'volumetrics' is installed" in result.err


def test_new_prints_the_folder_and_what_to_do_next(cmda: Any, tmp_path: Path) -> None:
    result = cmda("plugins", "new", "grader", "my-own", "--out", tmp_path)
    assert result.code == 0
    assert result.out.strip() == str(tmp_path / "cmda-my-own")
    assert "cmda plugins check my-own" in result.err
    assert (tmp_path / "cmda-my-own" / "pyproject.toml").exists()
    assert cmda("plugins", "new", "grader", "my-own", "--out", tmp_path).code == 1
