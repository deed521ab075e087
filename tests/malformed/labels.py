"""Label maps that are none, or not those of their scan."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .corpus import Command, Malformed, Place
from .volumes import SHAPE, Damage, scan


def truth() -> np.ndarray[Any, Any]:
    """The labels of the toy dataset."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[3:7, 3:7, 2:4] = 1
    labels[9, 2, 2] = 2
    return labels


def _with(value: float, dtype: str = "float32") -> Damage:
    def damage(path: Path) -> None:
        labels = truth().astype(dtype)
        labels[0, 0, 0] = value
        scan(path, labels)

    return damage


def _damages() -> Iterator[tuple[str, Damage, str]]:
    for value in (0.5, 1.3, 0.002, -0.4):
        yield f"value {value}", _with(value), "whole numbers"
    for value in (-1, 256, 1e9, -32768):
        yield f"value {value}", _with(value, "int32" if value > 999 else "int16"), "from 0 to 255"
    for value in (np.nan, np.inf):
        yield f"value {value}", _with(value), "from 0 to 255"
    for value in (3, 7, 255):
        yield f"unknown {value}", _with(value, "uint8"), f"[{value}]"
    yield "nothing labelled", lambda path: scan(path, np.zeros(SHAPE, np.uint8)), "no label at all"
    noise = np.random.default_rng(0).uniform(0, 900, SHAPE).astype(np.float32)
    yield "an image", lambda path: scan(path, noise), "whole numbers"
    yield "other size", lambda path: scan(path, truth()[:, :9]), "voxels"
    yield "transposed", lambda path: scan(path, truth().transpose(1, 0, 2).copy()), "voxels"
    yield "other spacing", lambda path: scan(path, truth(), np.diag([1, 1, 1.5, 1])), "mm away"
    yield "flipped", lambda path: scan(path, truth(), np.diag([1.0, -1, 1, 1])), "mm away"
    moved = np.eye(4)
    moved[0, 3] = 0.2
    yield "moved by 0.2 mm", lambda path: scan(path, truth(), moved), "0.20 mm away"
    yield "4D", lambda path: scan(path, np.stack([truth()] * 2, axis=-1)), "three-dimensional"
    yield "complex", lambda path: scan(path, truth().astype("complex64")), "datatype"
    yield "text", lambda path: path.write_text("label 1"), "NIfTI"  # type: ignore[return-value]
    yield "empty file", lambda path: path.touch(), "empty file"


def _in_dataset(name: str, damage: Damage, word: str) -> Malformed:
    def make(place: Place) -> Command:
        root = place.copy(place.dataset)
        path = next(root.rglob("*ldn_2_Label.nii.gz"))
        path.unlink()
        damage(path)
        return place.check(root)

    return Malformed(f"checked: {name}", make, ("ldn_2_Label.nii.gz", word))


def _predicted(name: str, damage: Damage, word: str) -> Malformed:
    def make(place: Place) -> Command:
        predictions = place.folder / "predictions"
        predictions.mkdir()
        damage(predictions / "crossmoda2021_ldn_211_Label.nii.gz")
        reference = place.dataset / "crossmoda2022_reference"
        return ["evaluate", predictions, reference, "--out", place.out]

    return Malformed(f"predicted: {name}", make, ("ldn_211_Label.nii.gz", word))


def _as_reference(name: str, damage: Damage, word: str) -> Malformed:
    def make(place: Place) -> Command:
        predictions, reference = place.folder / "predictions", place.folder / "truth"
        for folder in (predictions, reference):
            folder.mkdir()
        scan(predictions / "a_Label.nii.gz", truth())
        damage(reference / "a_Label.nii.gz")
        return ["evaluate", predictions, reference, "--out", place.out]

    return Malformed(f"reference: {name}", make, ("a_Label.nii.gz", word))


_NO_ERROR_ALONE = ("nothing labelled", "unknown")
"""An empty prediction is a bad one; a value beside the task's is scored as background."""

LABELS = [
    *(_in_dataset(*one) for one in _damages()),
    *(_predicted(*one) for one in _damages() if not one[0].startswith(_NO_ERROR_ALONE)),
    *(_as_reference(*one) for one in _damages() if not one[0].startswith(_NO_ERROR_ALONE)),
]
