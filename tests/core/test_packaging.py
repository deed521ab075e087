"""The wheel ships every package of the repository, and every plugin can be found."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PLUGINS = {path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py")}


def test_every_package_is_shipped() -> None:
    shipped = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    present = {f"plugins/{name}" for name in PLUGINS} | {"cmda_core", "cli/cmda_cli"}
    assert set(shipped) == present


def test_every_plugin_has_an_entry_point() -> None:
    targets = PROJECT["project"]["entry-points"]["cmda.plugins"].values()
    assert sorted(targets) == sorted(f"{name}.plugin" for name in PLUGINS)


def test_every_package_is_typed() -> None:
    folders = [ROOT / "cmda_core", ROOT / "cli/cmda_cli", *(ROOT / "plugins" / name for name in PLUGINS)]
    assert [folder.name for folder in folders if not (folder / "py.typed").exists()] == []


def test_every_requirement_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines if not line.startswith("#")}
    project = PROJECT["project"]
    required = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {name.partition(">")[0].partition("[")[0].lower().replace("_", "-") for name in required}
    assert names - pinned == set()


def test_constraints_name_no_address() -> None:
    assert "://" not in (ROOT / "constraints.txt").read_text()
