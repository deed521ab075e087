"""The command line starts without the heavy libraries."""

import subprocess
import sys
from importlib.metadata import version

import pytest

HEAVY = ("torch", "torchvision", "torchio", "SimpleITK", "nnunetv2", "sklearn", "matplotlib")
SCRIPT = """
import sys
from cmda_cli.main import main
sys.argv = ["cmda", *sys.argv[1:]]
try:
    main()
finally:
    print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""


def cmda(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # our own script
        [sys.executable, "-c", SCRIPT.format(heavy=HEAVY), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["plugins", "list"]], ids=" ".join)
def test_imports_nothing_heavy(arguments: list[str]) -> None:
    done = cmda(arguments)

    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "[]"


def test_the_version_is_that_of_the_distribution() -> None:
    assert cmda(["--version"]).stdout == f"cmda {version('cmda')}\n"
