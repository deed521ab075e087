"""Take the picture of docs/report.md: ``python docs/scripts/report_picture.py RUN FOLDER``, with Chromium."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from cmda_core.reporting.report import write_report

PAGE = "cases/test-003.html"
SIZE = 1280, 760


def main(run: Path, folder: Path) -> None:
    """Photograph the page of a case."""
    page = write_report(run).parent / PAGE
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("needs Chromium or Chrome")
    with tempfile.TemporaryDirectory() as scratch:
        picture = Path(scratch) / "report.png"
        options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={scratch}/profile"]
        view = [f"--window-size={SIZE[0]},{SIZE[1]}", "--hide-scrollbars", "--virtual-time-budget=8000"]
        subprocess.run(  # noqa: S603  # the browser of whoever asked for the picture
            [chromium, *options, *view, f"--screenshot={picture}", page.resolve().as_uri()], check=True
        )
        folder.mkdir(parents=True, exist_ok=True)
        Image.open(picture).convert("RGB").save(folder / "report.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
