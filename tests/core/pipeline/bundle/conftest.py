from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import cmda_toy
import pytest

from cmda_core.pipeline.bundle import export_bundle
from cmda_core.registry import Registry


@pytest.fixture(scope="session")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle in one file, for tests that only read it."""
    registry = Registry()
    registry.add(cmda_toy, "toy")
    return export_bundle(trained, tmp_path_factory.mktemp("bundles") / "toy.cmda", registry=registry).path


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """The same bundle as a folder, for tests that change it."""
    with ZipFile(exported) as archive:
        archive.extractall(tmp_path / "bundle")  # our own
    return tmp_path / "bundle"


@pytest.fixture
def edited(folder: Path) -> Callable[[Callable[[dict[str, Any]], object]], Path]:
    """Changes the manifest of ``folder``."""

    def edit(change: Callable[[dict[str, Any]], object]) -> Path:
        manifest = json.loads((folder / "bundle.json").read_text())
        change(manifest)
        (folder / "bundle.json").write_text(json.dumps(manifest))
        return folder

    return edit
