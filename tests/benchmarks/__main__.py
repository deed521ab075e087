"""Runs all benchmarks, each in a process of its own; the results also go into a folder as JSON.

python -m tests.benchmarks --out build/benchmarks
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

SCRIPTS = ("metrics", "feeding", "case", "msfnet_memory", "msfnet_step")


def main() -> int:
    """Run them one after the other; 1 if one failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--out", type=Path, default=Path("build/benchmarks"), help="folder for the JSON files"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes and few repeats: a smoke test")
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: for a busy machine")
    parser.add_argument("--only", nargs="+", choices=SCRIPTS, default=list(SCRIPTS))
    options = parser.parse_args()
    failed = []
    for script in options.only:
        print(f"## {script}\n", flush=True)
        words = ["--threads", str(options.threads), "--json", str(options.out / f"{script}.json")]
        words += ["--clock", options.clock]
        words += ["--quick"] if options.quick else []
        done = subprocess.run([sys.executable, "-m", f"tests.benchmarks.{script}", *words], check=False)
        failed += [script] if done.returncode else []
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
