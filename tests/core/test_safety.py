"""What our own code may not do, whatever it is fed."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import cmda_toy
import pytest
from packaging.version import Version

from cmda_core.pipeline import run_experiment
from cmda_core.progress import Silent
from cmda_core.schema import Experiment

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for folder in ("cmda_core", "plugins", "cli", "docs", "docker")
    for path in sorted((ROOT / folder).rglob("*.py"))
]

FORBIDDEN_IMPORTS = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "jsonpickle", "tarfile"}
NETWORK = {"socket", "urllib", "http", "requests", "httpx", "ftplib", "aiohttp", "huggingface_hub"}
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "os.system",
    "os.popen",
    "joblib.load",
    "joblib.dump",
    "torch.save",
    "yaml.load",
    "yaml.full_load",
    "yaml.unsafe_load",
    "yaml.load_all",
    "tempfile.mktemp",
    "pandas.read_pickle",
    "pd.read_pickle",
}
EXTRACTING = {"extractall", "unpack_archive"}

ALLOWED = {
    # Sends a plugin to another process as joblib does, within one run of the contract kit.
    ("cmda_core/testing/rules/preprocessor.py", "pickle"),
    # The error that torch.load raises if weights_only=True finds more than weights, and nothing else.
    ("cmda_core/training/perceptual.py", "pickle"),
}


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def unsafe_calls(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        options = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        if name in FORBIDDEN_CALLS or name.rpartition(".")[2] in EXTRACTING:
            yield name
        if name.endswith("torch.load") and not true(options.get("weights_only")):
            yield "torch.load without weights_only"
        if true(options.get("shell")):
            yield f"{name} with a shell"
        if true(options.get("allow_pickle")):
            yield f"{name} with pickle"
        if "Loader" in options or "trust_remote_code" in options or true(options.get("trust_repo")):
            yield f"{name} that trusts"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_runs_what_a_file_holds(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    name = path.relative_to(ROOT).as_posix()
    assert {
        found for found in imports(tree) if found in FORBIDDEN_IMPORTS and (name, found) not in ALLOWED
    } == set()
    assert list(unsafe_calls(tree)) == []


@pytest.mark.parametrize("folder", ["cmda_core", "plugins", "cli"])
def test_nothing_asks_the_network(folder: str) -> None:
    found = {
        (path.name, name)
        for path in (ROOT / folder).rglob("*.py")
        for name in imports(ast.parse(path.read_text(encoding="utf-8")))
        if name in NETWORK
    }
    assert found == set()


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "numpy.load(path, allow_pickle=True)",
        "subprocess.run(line, shell=True)",
        "yaml.load(text, Loader=yaml.Loader)",
        "archive.extractall(folder)",
        "os.system(line)",
    ],
)
def test_the_test_sees_what_it_looks_for(line: str) -> None:
    assert list(unsafe_calls(ast.parse(line)))


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / "docs/scripts/audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_pinned_version_is_known_to_be_bad(audit: ModuleType) -> None:
    assert list(audit.known_bad(audit.pinned())) == []


def test_a_known_bad_version_is_found(audit: ModuleType) -> None:
    lines = list(audit.known_bad({**audit.pinned(), "torch": Version("2.5.1")}))
    assert all(line.startswith("torch 2.5.1: ") for line in lines)
    assert lines[0].endswith("(CVE-2025-32434); take 2.6.0")


def test_every_advisory_is_on_something_that_is_pinned(audit: ModuleType) -> None:
    rows = (ROOT / "docs/scripts/advisories.csv").read_text().splitlines()[1:]
    names = {row.partition(",")[0].lower().replace("_", "-") for row in rows}
    assert names - audit.pinned().keys() == set()


MARKUP = "<img src=x onerror=alert(1)>"


def test_the_report_escapes_what_files_say(tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    cmda_toy.write_dataset(scans)
    reference = scans / "crossmoda2022_reference"
    rows = ["case,subject,split,centre,image,labels,grade"]
    for number, path in enumerate(sorted(scans.rglob("*_ceT1.nii.gz")), 1):
        labels = path.with_name(path.name.replace("ceT1", "Label"))
        rows.append(f"{MARKUP}{number},{MARKUP}{number},source,{MARKUP},{path},{labels},{number}")
    for number, path in enumerate(sorted(scans.rglob("*_hrT2.nii.gz"))):
        labels = reference / path.name.replace("hrT2", "Label")
        split = "test" if number == 2 else "target"
        rows.append(f'"{MARKUP}t{number}",p{number},{split},"{MARKUP}",{path},{labels},2')
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    manifest = tmp_path / "manifest.csv"
    experiment = Experiment.model_validate(
        {
            "name": MARKUP,
            "data": {"root": manifest, "reference": manifest},
            "preprocessor": "toy",
            "translator": {"plugin": "toy", "steps": 1},
            "segmenter": "toy",
            "grader": "toy",
            "runtime": {"device": "cpu", "threads": 1},
        }
    )
    summary = run_experiment(experiment, tmp_path / "run", registry=cmda_toy.registry(), progress=Silent())
    assert summary.report is not None
    pages = [path.read_text(encoding="utf-8") for path in summary.report.parent.rglob("*.html")]
    assert not any("<img src=x" in page for page in pages)
    assert any("&lt;img src=x" in page for page in pages)
