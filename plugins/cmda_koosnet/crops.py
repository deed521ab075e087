"""The part of a subject that the network looks at: slices around the tumour, and its mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cmda_core.errors import GeometryError, ModalityError
from cmda_core.protocols import GradingCase, GradingInput
from cmda_core.volumes import Volume, open_slices, require_same_grid

Stack = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """Images and mask of one subject as stacks of slices ``(K, J, I)``.

    Attributes:
        name: Identifier of the case, for messages.
        images: Stack of each modality and the factor that turns its values into intensities.
        mask: Labels.
    """

    name: str
    images: Mapping[str, tuple[Stack, float]]
    mask: Stack


def open_subject(case: GradingCase, modalities: tuple[str, str]) -> Subject:
    """Map the files of a case into memory.

    Raises:
        DataError: If a file is missing or cannot be mapped.
        ModalityError: If an image of a modality is missing.
        GeometryError: If mask and images differ in size.
    """
    _require(case.images, modalities, case.case)
    images = {modality: open_slices(case.images[modality]) for modality in modalities}
    mask, _ = open_slices(case.mask)
    for stack, _ in images.values():
        if stack.shape != mask.shape:
            raise GeometryError(
                f"{case.case}: the mask has {mask.shape} voxels (K, J, I), but an image has {stack.shape}. "
                "Both must lie on the grid of the same crop."
            )
    return Subject(case.case, images, mask)


def subject_of(subject: GradingInput, modalities: tuple[str, ...]) -> Subject:
    """The same of volumes in memory.

    Raises:
        ModalityError: If an image of a modality is missing.
        GeometryError: If mask and images are not on the same grid.
    """
    _require(subject.images, modalities, subject.case)
    for modality in modalities:
        names = (f"the mask of {subject.case}", f"its {modality} image")
        require_same_grid(subject.mask.grid, subject.images[modality].grid, names)
    images = {modality: (_stack(subject.images[modality]), 1.0) for modality in modalities}
    return Subject(subject.case, images, subject.mask.voxels.transpose(2, 1, 0))


def _stack(volume: Volume) -> Stack:
    return volume.voxels.transpose(2, 1, 0)


def _require(images: Mapping[str, object], modalities: tuple[str, ...], name: str) -> None:
    missing = [modality for modality in modalities if modality not in images]
    if missing:
        raise ModalityError(
            f"{name}: grading needs the {' and the '.join(missing)} image, got "
            f"{', '.join(images) or 'none'}. Translate the case first."
        )


@dataclass(frozen=True, slots=True)
class Window:
    """Where to cut, in voxels of the stack.

    Attributes:
        slices: Numbers of the slices; an end slice is repeated where the stack is too short.
        top: First row.
        left: First column.
        height: Rows.
        width: Columns.
        mirrored: Whether to mirror left and right after cutting.
    """

    slices: NDArray[np.int64]
    top: int
    left: int
    height: int
    width: int
    mirrored: bool


def find_window(tumour: NDArray[np.bool_], *, slices: int, edge: int | None, align: bool) -> Window:
    """The window around a tumour, moved inwards where it would leave the image.

    Args:
        tumour: Mask ``(K, J, I)``; without tumour the window lies in the middle.
        slices: Number of slices.
        edge: Rows and columns, at most those of the image; None for all.
        align: Mirror where the tumour lies at the lower columns, so that it never does.
    """
    depth, rows, columns = tumour.shape
    boxes = [np.flatnonzero(tumour.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    found = bool(boxes[0].size)
    middle = [
        (box[0] + box[-1] + 1) // 2 if found else size // 2
        for box, size in zip(boxes, tumour.shape, strict=True)
    ]
    height, width = min(edge or rows, rows), min(edge or columns, columns)
    numbers = _start(middle[0], slices, depth) + np.arange(slices)
    return Window(
        slices=np.minimum(numbers, depth - 1),
        top=_start(middle[1], height, rows),
        left=_start(middle[2], width, columns),
        height=height,
        width=width,
        mirrored=align and found and middle[2] < columns / 2,
    )


def _start(middle: int, length: int, limit: int) -> int:
    return int(np.clip(middle - length // 2, 0, max(limit - length, 0)))


def cut_triples(stack: Stack, slope: float, window: Window, *, mirror: bool, stride: int) -> Tensor:
    """2.5D inputs of a window.

    Args:
        stack: ``(K, J, I)``.
        slope: Turns values into intensities.
        window: Where to cut.
        mirror: Mirror once more than the window says.
        stride: Rows and columns are padded to multiples of it by repeating the edge.

    Returns:
        ``(slices, 3, H, W)``, float32 in [-1, 1].
    """
    around = np.clip(window.slices[:, None] + np.array([-1, 0, 1]), 0, len(stack) - 1)
    cut = _region(stack, around, window, mirror).astype(np.float32) * np.float32(slope)
    return _padded(torch.from_numpy(cut), stride)


def cut_mask(tumour: NDArray[np.bool_], window: Window, *, mirror: bool, stride: int) -> Tensor:
    """Share of tumour in each pixel of the features, ``(1, slices, h, w)``, float32 in [0, 1]."""
    cut = _region(tumour, window.slices, window, mirror).astype(np.float32)
    return functional.avg_pool2d(_padded(torch.from_numpy(cut)[None], stride), stride)


def _region(stack: Stack, slices: NDArray[np.int64], window: Window, mirror: bool) -> Stack:
    rows = slice(window.top, window.top + window.height)
    columns = slice(window.left, window.left + window.width)
    region = stack[slices, rows, columns]
    return np.ascontiguousarray(region[..., ::-1] if mirror != window.mirrored else region)


def _padded(images: Tensor, stride: int) -> Tensor:
    rows, columns = (-size % stride for size in images.shape[-2:])
    return functional.pad(images, (0, columns, 0, rows), mode="replicate") if rows or columns else images
