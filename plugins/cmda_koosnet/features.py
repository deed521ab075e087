"""Views of the training subjects, and their features, which are computed once where that is possible."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cmda_core.errors import GeometryError
from cmda_core.files import replacing
from cmda_core.progress import Progress
from cmda_core.protocols import GradingCase, SharedEncoder
from cmda_core.schema import Task
from cmda_core.volumes import open_slices
from cmda_koosnet.config import KoosNetConfig
from cmda_koosnet.crops import cut_mask, cut_triples, find_window, open_subject


@dataclass(frozen=True, slots=True)
class View:
    """One subject in one modality, as it lies or mirrored.

    Attributes:
        subject: Position in the list of cases.
        modality: MR sequence.
        mirrored: Left and right swapped, on top of what ``sides: aligned`` does.
    """

    subject: int
    modality: str
    mirrored: bool = False


class ViewReader:
    """Cuts views out of the files of the training subjects.

    Args:
        cases: The subjects.
        task: Modalities and the tumour's label.
        config: Size of the window.
        stride: Of the features.

    Raises:
        DataError: If a file cannot be used, or the windows of two subjects differ in size.
    """

    def __init__(self, cases: Sequence[GradingCase], task: Task, config: KoosNetConfig, stride: int) -> None:
        self.modalities = task.modalities
        self._cases = cases
        self._label = task.tumour_label
        self._stride = stride
        self._windows = [
            find_window(
                open_subject(case, task.modalities).mask == self._label,
                slices=config.slices,
                edge=config.window,
                align=config.sides == "aligned",
            )
            for case in cases
        ]
        first = self._windows[0]
        for case, window in zip(cases, self._windows, strict=True):
            if (window.height, window.width) != (first.height, first.width):
                raise GeometryError(
                    f"{case.case}: slices of {window.height} x {window.width} pixels, but {cases[0].case} "
                    f"has {first.height} x {first.width}. Prepare all cases with the same crop size, or set "
                    "a smaller window."
                )

    def triples(self, view: View) -> Tensor:
        """2.5D inputs, ``(slices, 3, H, W)``."""
        stack, slope = open_slices(self._cases[view.subject].images[view.modality])
        window = self._windows[view.subject]
        return cut_triples(stack, slope, window, mirror=view.mirrored, stride=self._stride)

    def mask(self, view: View) -> Tensor:
        """Share of tumour, ``(1, slices, h, w)``; the same in both modalities."""
        labels, _ = open_slices(self._cases[view.subject].mask)
        window = self._windows[view.subject]
        return cut_mask(labels == self._label, window, mirror=view.mirrored, stride=self._stride)


def encode_stack(encode: Callable[[Tensor], Tensor], triples: Tensor, batch: int) -> Tensor:
    """Features of a stack of 2.5D inputs: ``(slices, 3, H, W)`` to ``(C, slices, h, w)``."""
    return torch.cat([encode(part) for part in triples.split(batch)]).transpose(0, 1)


class FrozenFeatures:
    """Features of the frozen encoder, kept on disk if they fit.

    A file is named after its content's origin (weights of the encoder, voxels of the view), so one
    left by an interrupted run is used again only if it is still right.

    Args:
        reader: Cuts the views.
        encoder: The shared encoder.
        folder: For the files; removed by `close`.
        batch: Slices encoded at once.
    """

    def __init__(self, reader: ViewReader, encoder: SharedEncoder, folder: Path, batch: int) -> None:
        self.reader = reader
        self._encoder = encoder
        self._folder = folder
        self._batch = batch
        self._files: dict[View, Path] = {}

    def features(self, view: View) -> Tensor:
        """``(C, slices, h, w)``, float32, on the CPU if it was kept."""
        if view in self._files:
            return torch.from_numpy(np.load(self._files[view], allow_pickle=False))
        return self._encode(self.reader.triples(view))

    def keep(self, views: Sequence[View], limit_gb: float, progress: Progress) -> None:
        """Encode views in advance, unless they need more than ``limit_gb`` together."""
        size_gb = self.features(views[0]).nbytes * len(views) / 1e9
        if size_gb > limit_gb:
            progress.note(
                f"Features need {size_gb:.1f} GB, more than feature_cache_gb = {limit_gb}: "
                "they are computed again at every step."
            )
            return
        weights = _digest_of_weights(self._encoder)
        with progress.task("Encode", len(views)) as advance:
            for view in views:
                self._files[view] = self._kept(view, weights)
                advance(1)

    def close(self) -> None:
        """Remove the files."""
        self._files.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _encode(self, triples: Tensor) -> Tensor:
        return encode_stack(self._encoder.encode, triples, self._batch)

    def _kept(self, view: View, weights: bytes) -> Path:
        triples = self.reader.triples(view)
        digest = hashlib.blake2b(weights + repr(tuple(triples.shape)).encode(), digest_size=16)
        digest.update(triples.numpy().data)
        path = self._folder / f"{digest.hexdigest()}.npy"
        if not path.exists():
            features = self._encode(triples).float().cpu().contiguous().numpy()
            with replacing(path) as temporary:
                np.save(temporary, features, allow_pickle=False)
        return path


def _digest_of_weights(encoder: SharedEncoder) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in encoder.copy_encoder().state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.digest()
