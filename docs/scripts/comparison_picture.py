"""Take a picture of a comparison's plots: ``python docs/scripts/comparison_picture.py OUT PICTURE.jpg``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from browser import photograph

PAGE = """<!doctype html>
<base href="{folder}/">
<link rel="stylesheet" href="assets/style.css">
<main>{section}</main>
"""


def main(out: Path, picture: Path) -> None:
    """Photograph the plots in the report that ``cmda compare --out OUT`` wrote."""
    report = out / "report"
    _, start, rest = (report / "index.html").read_text(encoding="utf-8").partition('<section id="plots">')
    section, end, _ = rest.partition("</section>")
    with tempfile.TemporaryDirectory() as scratch:
        page = Path(scratch) / "plots.html"
        content = PAGE.format(folder=report.resolve().as_uri(), section=start + section + end)
        page.write_text(content, encoding="utf-8")
        photograph(page, picture, (1280, 1430))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
