"""Photographs pages with Chromium, for the pictures of the docs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image


def photograph(page: Path, picture: Path, size: tuple[int, int]) -> None:
    """Take the picture of a page.

    Args:
        page: An HTML file.
        picture: JPEG to write; its folder is made.
        size: Width and height of the window in pixels.

    Raises:
        SystemExit: If there is no Chromium or Chrome.
    """
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("needs Chromium or Chrome")
    with tempfile.TemporaryDirectory() as scratch:
        taken = Path(scratch) / "page.png"
        options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={scratch}/profile"]
        view = [f"--window-size={size[0]},{size[1]}", "--hide-scrollbars", "--virtual-time-budget=8000"]
        subprocess.run(  # noqa: S603  # the browser of whoever asked for the picture
            [chromium, *options, *view, f"--screenshot={taken}", page.resolve().as_uri()], check=True
        )
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.open(taken).convert("RGB").save(picture, quality=85, optimize=True)
