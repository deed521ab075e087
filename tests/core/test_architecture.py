"""Arrows point one way: cli -> core <- plugins."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py"))
HEAVY = {"torch", "torchvision", "torchio", "SimpleITK", "nnunetv2", "lightning", "sklearn", "monai"}


def imported(path: Path, *, at_start: bool = False) -> set[str]:
    """Top-level packages that a file imports; only by statements that run at import if asked for."""
    tree = ast.parse(path.read_text())
    nodes = list(tree.body) if at_start else list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def all_imports(folder: Path) -> set[str]:
    return set().union(*(imported(path) for path in folder.rglob("*.py")))


def test_core_knows_no_plugin_and_no_command_line() -> None:
    assert all_imports(ROOT / "cmda_core") & {*PLUGINS, "cmda_cli"} == set()


def test_command_line_knows_no_plugin() -> None:
    assert all_imports(ROOT / "cli" / "cmda_cli") & set(PLUGINS) == set()


@pytest.mark.parametrize("plugin", PLUGINS)
def test_plugin_stands_on_the_core_alone(plugin: str) -> None:
    assert all_imports(ROOT / "plugins" / plugin) & {*PLUGINS, "cmda_cli"} <= {plugin}


@pytest.mark.parametrize("plugin", PLUGINS)
def test_declaring_a_plugin_is_cheap(plugin: str) -> None:
    for name in ("__init__.py", "plugin.py", "config.py"):
        assert imported(ROOT / "plugins" / plugin / name, at_start=True) & HEAVY == set()
