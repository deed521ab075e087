from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

from cmda_core.errors import ConfigError, OutputError
from cmda_core.registry import Registry
from cmda_core.scaffold import write_package
from cmda_core.testing import checks_of, run_checks

KINDS = ("preprocessor", "translator", "segmenter", "grader")

OWN = {"plugin": "fresh", "epochs": 1, "channels": 4, "residual_blocks": 1}
LIGHT = {
    "segmenter": {"plugin": "unet", "epochs": 1, "iterations_per_epoch": 2, "channels": 4},
    "runtime": {"device": "cpu", "jobs": 1},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_is_found_and_keeps_its_promises(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_package(kind, f"new_{kind}", tmp_path)  # type: ignore[arg-type]
    pretend_installed(folder, f"cmda_new_{kind}", monkeypatch)
    registry = Registry.installed()
    assert registry.broken == {}
    offer = getattr(registry, kind)(f"new-{kind}")
    broken = [outcome for outcome in run_checks(checks_of(offer)) if outcome.verdict == "broken"]
    assert broken == []


def pretend_installed(folder: Path, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an editable installation does: the folder is importable, and metadata names the entry point."""
    information = folder / f"{package}-0.1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1.0\n")
    name = package.removeprefix("cmda_")
    (information / "entry_points.txt").write_text(f"[cmda.plugins]\n{name} = {package}.plugin\n")
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()


def test_every_file_is_there(tmp_path: Path) -> None:
    folder = write_package("translator", "My Method", tmp_path)
    assert folder == tmp_path / "cmda-my-method"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    modules = {f"cmda_my_method/{name}.py" for name in ("__init__", "config", "networks", "method", "plugin")}
    assert names == modules | {
        "pyproject.toml",
        "README.md",
        "tests/test_contract.py",
        "cmda_my_method/py.typed",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_new_plugins_are_clean(kind: str, tmp_path: Path) -> None:
    folder = write_package(kind, "a-rather-long-name-for-it", tmp_path)  # type: ignore[arg-type]
    for path in folder.rglob("*.py"):
        compile(path.read_text(), str(path), "exec")
    lines = [line for path in folder.rglob("*.py") for line in path.read_text().splitlines()]
    assert not [line for line in lines if line != line.rstrip() or "{{" in line]
    if kind == "translator":
        assert len([line for line in lines if line.strip()]) <= 150


@pytest.mark.parametrize(
    ("name", "message"), [("1st", "joined by hyphens"), ("core", "'cmda_core' is installed already")]
)
def test_names_that_cannot_be_used(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        write_package("grader", name, tmp_path)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    write_package("grader", "mine", tmp_path)
    with pytest.raises(OutputError, match="is there already"):
        write_package("grader", "mine", tmp_path)


@dataclass(frozen=True)
class Installed:
    """A generated package in an environment of its own."""

    package: Path
    python: Path

    def cmda(self, folder: Path, *arguments: str) -> str:
        """What a command of the environment's cmda prints, called in a folder."""
        return run([str(self.python), "-m", "cmda_cli", *arguments], folder)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Generated, built and installed by pip, without an index and without dependencies."""
    folder = tmp_path_factory.mktemp("scaffold")
    package = write_package("translator", "fresh", folder)
    python = environment(folder / "venv")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    run([*pip, "--no-index", "--no-deps", "--no-build-isolation", str(package)], folder)
    return Installed(package, python)


def test_installed_it_is_listed(installed: Installed, tmp_path: Path) -> None:
    plugins = json.loads(installed.cmda(tmp_path, "plugins", "list", "--json"))
    (plugin,) = [plugin for plugin in plugins if plugin["name"] == "fresh"]
    assert (plugin["kind"], plugin["from"]) == ("translator", "cmda_fresh.plugin")
    place = run([str(installed.python), "-c", "import cmda_fresh; print(cmda_fresh.__file__)"], tmp_path)
    assert Path(place.strip()).is_relative_to(installed.python.parents[1])


def test_installed_it_keeps_its_promises(installed: Installed, tmp_path: Path) -> None:
    (report,) = json.loads(installed.cmda(tmp_path, "plugins", "check", "fresh", "--json"))
    assert report["kept"]
    assert " passed" in run([str(installed.python), "-m", "pytest", "-q"], installed.package)


def test_installed_it_is_trained_and_compared(installed: Installed, tmp_path: Path) -> None:
    """On the demo phantom, with a light segmenter."""
    phantom = {"preset": "demo", "source": 3, "target": 3, "test": 1}
    entries = [{"name": "source only", "training": "source-only"}]
    entries.append({"name": "fresh", "settings": {"translator": OWN}})
    benchmark = {"name": "own", "base": "demo", "phantom": phantom, "settings": LIGHT, "entries": entries}
    (tmp_path / "own.yaml").write_text(json.dumps({**benchmark, "metrics": ["dice"]}))
    installed.cmda(tmp_path, "compare", "own.yaml", "--out", "compared")
    table = (tmp_path / "compared" / "comparison.md").read_text()
    assert all(f"| {name} |" in table for name in ("source only", "fresh"))
    states = json.loads((tmp_path / "compared" / "runs.json").read_text())
    assert "failed" not in json.dumps(states)


@pytest.mark.slow
def test_installed_it_runs_beside_a_grader(installed: Installed, tmp_path: Path) -> None:
    """From scans to grades and a report."""
    installed.cmda(tmp_path, "data", "phantom", "data", "--source", "3", "--target", "3", "--test", "1")
    experiment = {"preset": "demo", "data": {"root": "data"}, "translator": OWN, **LIGHT}
    grading = {"grader": "volumetrics", "baselines": {"source_only": False, "graders": []}}
    (tmp_path / "own-run.yaml").write_text(json.dumps({**experiment, **grading}))
    installed.cmda(tmp_path, "run", "own-run.yaml", "--out", "run")
    assert (tmp_path / "run" / "report" / "index.html").exists()


def environment(folder: Path) -> Path:
    """A virtual environment that installs into itself and sees the packages of this one.

    How clean it is: the package under test is in no other place, and metadata, entry point and modules
    are what pip built and installed. cmda and its dependencies are those of this environment, found by
    a ``.pth`` file, so that nothing is downloaded; that the dependencies that the package names can be
    resolved by pip is not tested.
    """
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    own = Path(
        run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip()
    )
    (own / "outer.pth").write_text("\n".join([*filter(None, sys.path), sysconfig.get_path("purelib")]))
    return python


def run(command: list[str], folder: Path) -> str:
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=variables)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
