"""Photographs pages with Chromium, for the pictures of the docs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

# In a frame: the browser changes its window's height for the picture, when pages have done their drawing.
FRAME = """<!doctype html>
<style>body {{ margin: 0 }} iframe {{ border: 0; width: {width}px; height: {height}px }}</style>
<iframe src="{page}"></iframe>
"""


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
        taken, frame = Path(scratch) / "page.png", Path(scratch) / "frame.html"
        frame.write_text(
            FRAME.format(width=size[0], height=size[1], page=page.resolve().as_uri()), encoding="utf-8"
        )
        options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={scratch}/profile"]
        view = [f"--window-size={size[0]},{size[1]}", "--hide-scrollbars", "--virtual-time-budget=8000"]
        subprocess.run(  # noqa: S603  # the browser of whoever asked for the picture
            [chromium, *options, *view, f"--screenshot={taken}", frame.as_uri()], check=True
        )
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.open(taken).convert("RGB").save(picture, quality=85, optimize=True)
