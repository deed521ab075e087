from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from cmda_core.errors import ConfigError, OutputError
from cmda_core.registry import Registry
from cmda_core.scaffold import write_package
from cmda_core.testing import checks_of, run_checks

KINDS = ("preprocessor", "translator", "segmenter", "grader")


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


@pytest.mark.slow
def test_installed_into_an_environment_of_its_own(tmp_path: Path) -> None:
    """Generated, installed by pip, listed, tested by pytest, and trained on the demo phantom."""
    folder = write_package("translator", "fresh", tmp_path)
    python = environment(tmp_path / "venv")
    install = ["-m", "pip", "--python", str(python), "install", "--no-deps", "--no-build-isolation", "-e"]
    run([sys.executable, *install, str(folder)], tmp_path)
    cmda = [str(python), "-m", "cmda_cli"]
    plugins = json.loads(run([*cmda, "plugins", "list", "--json"], tmp_path))
    assert ("translator", "fresh") in {(plugin["kind"], plugin["name"]) for plugin in plugins}
    assert " passed" in run([str(python), "-m", "pytest", "-q"], folder)
    run([*cmda, "data", "phantom", "scans", "--source", "3", "--target", "3", "--test", "1"], tmp_path)
    settings = [f"translator.{setting}" for setting in ("epochs=1", "channels=4", "residual_blocks=1")]
    settings += ["segmenter.epochs=1", "segmenter.iterations_per_epoch=2", "baselines.source_only=false"]
    settings += ["baselines.graders=[]"]
    options = [option for setting in (*settings, "data.root=scans") for option in ("--set", setting)]
    chosen = ["--translator", "fresh", "--grader", "volumetrics", "--out", "run", "--device", "cpu"]
    run([*cmda, "run", "demo", *chosen, *options], tmp_path)
    assert (tmp_path / "run" / "report" / "index.html").exists()


def environment(folder: Path) -> Path:
    """A virtual environment that sees the packages of this one, but installs into itself."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    own = Path(
        run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip()
    )
    (own / "outer.pth").write_text("\n".join([sysconfig.get_path("purelib"), *filter(None, sys.path)]))
    return python


def run(command: list[str], folder: Path) -> str:
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=variables)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
