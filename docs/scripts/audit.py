"""Checks the pinned versions for known-bad ones: by pip-audit where it can reach its database, else by hand.

``advisories.csv`` lists what was known of our dependencies at ``REVIEWED``, from threads in which the version
with the fix is named: a package, the first version without the fault, and what was wrong before. Bring it
up to date with each change of constraints.txt.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

HERE = Path(__file__).parent
CONSTRAINTS = HERE.parents[1] / "constraints.txt"
REVIEWED = date(2026, 9, 22)
PATIENCE_SECONDS = 120


def pinned(path: Path = CONSTRAINTS) -> dict[str, Version]:
    """The pinned version of each package."""
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (line.split("==") for line in lines if line)
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def known_bad(versions: dict[str, Version]) -> Iterator[str]:
    """A line for each pinned version that is older than the one with the fix."""
    with (HERE / "advisories.csv").open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            found = versions.get(canonicalize_name(row["package"]))
            if found is not None and found < Version(row["fixed_in"]):
                yield f"{row['package']} {found}: {row['what']} ({row['advisory']}); take {row['fixed_in']}"


def by_pip_audit() -> int | None:
    """Exit status of pip-audit; nothing if it is not installed or cannot reach its database."""
    program = shutil.which("pip-audit")
    if program is None:
        return None
    command = [program, "--requirement", str(CONSTRAINTS), "--no-deps", "--disable-pip"]
    try:
        done = subprocess.run(  # noqa: S603  # our own words
            command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    if "known vulnerabilit" not in (done.stdout + done.stderr).lower():
        return None
    sys.stdout.write(done.stdout + done.stderr)
    return done.returncode


def main() -> int:
    """Exit status 1 if a pinned version is known to be bad."""
    status = by_pip_audit()
    if status is not None:
        return status
    problems = list(known_bad(pinned()))
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    sys.stdout.write(f"audit: {len(problems)} known-bad versions; what was known on {REVIEWED}, by hand\n")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
