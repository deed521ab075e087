"""Take the picture of docs/report.md: ``python docs/scripts/report_picture.py RUN FOLDER``, with Chromium."""

from __future__ import annotations

import sys
from pathlib import Path

from browser import photograph

from cmda_core.reporting.report import write_report

PAGE = "cases/test-003.html"


def main(run: Path, folder: Path) -> None:
    """Photograph the page of a case."""
    photograph(write_report(run).parent / PAGE, folder / "report.jpg", (1280, 760))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
