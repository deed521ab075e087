"""Take a picture of a comparison's plots: ``comparison_picture.py OUT PICTURE.jpg [SECTION HEIGHT]``."""

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


def main(out: Path, picture: Path, section: str = "plots", height: str = "1430") -> None:
    """Photograph a section (``plots``, ``grading``) of the report that ``cmda compare --out OUT`` wrote."""
    report = out / "report"
    _, start, rest = (
        (report / "index.html").read_text(encoding="utf-8").partition(f'<section id="{section}">')
    )
    content, end, _ = rest.partition("</section>")
    with tempfile.TemporaryDirectory() as scratch:
        page = Path(scratch) / "section.html"
        page.write_text(
            PAGE.format(folder=report.resolve().as_uri(), section=start + content + end), encoding="utf-8"
        )
        photograph(page, picture, (1280, int(height)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
