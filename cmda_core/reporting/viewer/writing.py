"""Writes the pages of single cases, and the scripts that hold their slices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmda_core.errors import CmdaError, OutputError
from cmda_core.files import write_text
from cmda_core.reporting.figures import axial
from cmda_core.reporting.pages import PAGE_ASSETS, environment, remove_others, write_assets
from cmda_core.reporting.viewer.content import Role, ScanView, ViewedLabels
from cmda_core.reporting.viewer.packing import packed_image, packed_labels, script

CASES = "cases"
"""Folder of the pages, within the report."""

VIEWER_SCRIPTS = (
    "viewer/volumes.js",
    "viewer/outlines.js",
    "viewer/pane.js",
    "viewer/profile.js",
    "viewer/controls.js",
    "viewer/keys.js",
    "viewer/viewer.js",
)
"""In the order in which a page loads them."""


@dataclass(frozen=True, slots=True, eq=False)
class CasePage:
    """A page to write.

    Attributes:
        case: Identifier of the case.
        role: What the case is for.
        load: Reads what the page shows; called once, so that one case at a time is in memory.
        scores: Rows of ``per_case.csv`` of this case.
        grades: Rows of ``grades.csv`` of this case.
        concerns: What speaks against trusting the prepared scan.
    """

    case: str
    role: Role
    load: Callable[[], ScanView]
    scores: Sequence[Mapping[str, Any]] = ()
    grades: Sequence[Mapping[str, Any]] = ()
    concerns: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class CaseLink:
    """A page that was written.

    Attributes:
        case: Identifier of the case.
        role: What the case is for.
        file: Relative to the report.
        words: What the page shows, for the list of pages.
    """

    case: str
    role: Role
    file: str
    words: str


def write_case_pages(
    pages: Sequence[CasePage], report: Path, title: str
) -> tuple[tuple[CaseLink, ...], list[str]]:
    """Write a page per case into ``cases``.

    Args:
        pages: What to write, in the order in which readers go through them.
        report: Folder of the report.
        title: Of the report.

    Returns:
        The pages that were written, and a sentence about each case that cannot be shown.

    Raises:
        OutputError: If a file cannot be written.
    """
    written: set[Path] = set()
    shown: list[tuple[CasePage, CaseLink, dict[str, Any]]] = []
    notes: list[str] = []
    for number, page in enumerate(pages, 1):
        stem = f"{page.role}-{number:03d}"
        try:
            view = page.load()
            content = _write_slices(view, report / CASES / stem, written)
        except OutputError:
            raise
        except CmdaError as error:
            notes.append(f"{page.case} cannot be shown: {error}")
            continue
        notes += [f"{page.case}: {note}" for note in view.notes]
        link = CaseLink(page.case, page.role, f"{CASES}/{stem}.html", ", ".join(i.name for i in view.images))
        shown.append((page, link, {**content, "folder": stem, "dice": _dice(page.scores)}))
    _write_pages(shown, report, title, written)
    remove_others(report / CASES, written)
    if shown:
        write_assets(report, ("viewer.css", *VIEWER_SCRIPTS))
    return tuple(link for _, link, _ in shown), notes


def _write_pages(
    shown: Sequence[tuple[CasePage, CaseLink, Mapping[str, Any]]],
    report: Path,
    title: str,
    written: set[Path],
) -> None:
    template = environment().get_template("case.html.j2")
    links = [link for _, link, _ in shown]
    for number, (page, link, content) in enumerate(shown):
        path = report / link.file
        text = template.render(
            title=title,
            page=page,
            link=link,
            links=links,
            before=links[number - 1] if number else None,
            after=links[number + 1] if number + 1 < len(links) else None,
            content=content,
            scripts=[*PAGE_ASSETS[2:], *VIEWER_SCRIPTS],
        )
        write_text(path, text)
        written.add(path)


def _write_slices(view: ScanView, folder: Path, written: set[Path]) -> dict[str, Any]:
    """Write the scripts of a case, and say what is in them."""
    images = []
    for number, image in enumerate(view.images, 1):
        key = f"image-{number}"
        _write(folder / f"{key}.js", key, packed_image(axial(image.volume).slices, image.window), written)
        images.append({"key": key, "name": image.name})
    maps = [packed_labels(axial(one.labels).slices) for one in view.labels]
    _write(folder / "labels.js", "labels", maps, written)
    stack = axial(view.images[0].volume)
    return {
        "case": view.case,
        "size": list(reversed(stack.slices.shape)),
        "spacing": [round(step, 5) for step in reversed(stack.spacing)],
        "images": images,
        "overlays": _overlays(view.labels),
        "seeds": sorted({one.seed for one in view.labels if one.seed is not None}),
        "structures": [{"name": name, "label": label} for name, label in view.structures.items()],
        "layout": _layout(view),
    }


def _write(path: Path, key: str, content: object, written: set[Path]) -> None:
    write_text(path, script(key, content))
    written.add(path)


def _overlays(labels: Sequence[ViewedLabels]) -> list[dict[str, Any]]:
    overlays: dict[tuple[str, bool], dict[str, Any]] = {}
    for number, one in enumerate(labels):
        known = {"name": one.name, "colour": one.colour, "reference": one.reference, "maps": []}
        overlays.setdefault((one.name, one.reference), known)["maps"].append(
            {"seed": one.seed, "map": number}
        )
    return list(overlays.values())


def _layout(view: ScanView) -> str:
    entries = {one.name for one in view.labels if not one.reference}
    if view.role == "test":
        return "entries" if len(entries) > 1 else "one"
    return "images" if len(view.images) > 1 else "one"


def _dice(scores: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "entry": row["entry"],
            "seed": row.get("seed"),
            "structure": row["structure"],
            # JSON has no NaN: what has no reference has no Dice.
            "dice": round(float(row["dice"]), 4) if row["dice"] == row["dice"] else None,
        }
        for row in scores
    ]
