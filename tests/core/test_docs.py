"""The words of the documentation and the code keep together."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import shlex
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from typer.testing import CliRunner

from cmda_cli.app import app
from cmda_core import hookspecs
from cmda_core.hookspecs import API_VERSION, TranslatorOffer, hookimpl
from cmda_core.registry import Registry
from cmda_core.scaffold import write_package
from cmda_core.testing import checks_of, run_checks

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
HOOKS = [hook for hook in vars(hookspecs).values() if hasattr(hook, "cmda_spec")]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.__name__)
def test_hook_is_documented(hook: Callable[..., object]) -> None:
    arguments = ", ".join(inspect.signature(hook).parameters)
    assert f"### `{hook.__name__}({arguments})`" in (DOCS / "plugins.md").read_text()


@pytest.mark.parametrize("page", ["cli", "config", "contract", "gallery"])
def test_reference_is_current(generate: ModuleType, page: str) -> None:
    assert (DOCS / f"{page}.md").read_text() == getattr(generate, f"{page}_page")(), "run `make docs`"


def test_every_command_is_in_the_reference(generate: ModuleType) -> None:
    page = (DOCS / "cli.md").read_text()
    assert [
        " ".join(command) for command in generate.commands() if f"## {' '.join(command)}\n" not in page
    ] == []


def test_pictures_are_small_and_belong_to_a_plugin() -> None:
    known = {f"{kind}-{name}" for kind, offers in Registry.installed().offers().items() for name in offers}
    pictures = list((DOCS / "images" / "gallery").glob("*"))
    assert [path.name for path in pictures if path.stem not in known or path.suffix != ".jpg"] == []
    assert [path.name for path in pictures if path.stat().st_size > 60_000] == []


def test_every_page_is_in_the_contents() -> None:
    contents = (ROOT / "mkdocs.yml").read_text()
    assert [page.name for page in DOCS.glob("*.md") if f": {page.name}\n" not in contents] == []
    start = (DOCS / "index.md").read_text()
    pages = [page.name for page in DOCS.glob("*.md") if page.name != "index.md"]
    assert [name for name in pages if f"]({name})" not in start] == []


def test_every_plugin_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    names = [name for offers in Registry.installed().offers().values() for name in offers]
    assert [name for name in names if f"| `{name}` |" not in readme] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_examples_exist(page: Path) -> None:
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(), flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("cmda ")]
    for line in lines:
        known = CliRunner().invoke(app, [*shlex.split(line, comments=True)[1:], "--help"])
        assert known.exit_code == 0, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    links = re.findall(r"(?<!!)\[[^\]]*\]\(([^)#:]+)\)", prose)
    assert [link for link in links if not (page.parent / link).exists()] == []


ELSEWHEN = {
    "names an older API": {"api_version": API_VERSION - 1},
    "names a newer API": {"api_version": API_VERSION + 1},
    "sets a field": {"colour": "blue"},
}


@pytest.mark.parametrize("name", [*ELSEWHEN, "implements a hook", "imports"])
def test_plugin_for_another_cmda_is_told_what_the_page_says(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = next(iter(Registry.installed().translators().values()))
    fields = {name: getattr(offer, name) for name in ("summary", "config", "reference", "build", "load")}

    @hookimpl
    def offers() -> list[TranslatorOffer]:
        return [TranslatorOffer(name="mine", **fields, **ELSEWHEN[name])]

    hook = "offer_painters" if name == "implements a hook" else "offer_translators"
    module = "cmda_core.painting" if name == "imports" else "cmda_mine"
    monkeypatch.setitem(sys.modules, "cmda_mine", SimpleNamespace(**{hook: offers}))
    points = [EntryPoint("mine", module, "cmda.plugins")]
    monkeypatch.setattr("cmda_core.registry.entry_points", lambda group: points)
    registry = Registry.installed()
    assert registry.translators() == {}
    reason = str(registry.broken["mine"]).replace("__init__", r"\_\_init\_\_")
    assert f"| {reason} |" in (DOCS / "api.md").read_text()


@pytest.mark.parametrize("name", ["tint", "shift"])
def test_plugins_of_the_guide_keep_their_promises(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files of the guide, laid over what ``cmda plugins new`` writes."""
    folder = write_package("translator", name, tmp_path)
    blocks = re.findall(r"```python\n# (\S+)\n(.*?)```", (DOCS / "plugins.md").read_text(), flags=re.DOTALL)
    own = {path: text for path, text in blocks if f"cmda_{name}" in path + text}
    assert own
    for path, text in own.items():
        (folder / path).write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    offer = importlib.import_module(f"cmda_{name}.plugin").OFFER
    assert [outcome for outcome in run_checks(checks_of(offer)) if outcome.verdict == "broken"] == []
