"""Trained models, restored from disk when they are first needed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from cmda_core.files import writing
from cmda_core.pipeline.folder import MODEL
from cmda_core.pipeline.plan import Plan
from cmda_core.protocols import Grader, Preprocessor, Segmenter, SharedEncoder, Translator
from cmda_core.registry import Kind
from cmda_core.schema import Runtime

_Model = TypeVar("_Model")


class Models(Protocol):
    """Where trained models lie: a run's folder, or a bundle."""

    def model(self, kind: Kind, entry: str | None = None) -> Path:
        """Folder that a fitted plugin was saved to.

        Args:
            kind: Of the plugin.
            entry: Tells apart segmenters and graders of one chain.

        Raises:
            NotTrainedError: If there is none.
        """
        ...


@runtime_checkable
class Movable(Protocol):
    """A model that can be moved to another device; plugins without networks need not be."""

    def to(self, device: str) -> object:
        """Move the model to a torch device."""
        ...


@dataclass
class Chain:
    """Preprocessor, translator, segmenters and graders that were trained together.

    Attributes:
        plan: Their plugins.
        models: Where they lie.
        runtime: Where the models work.
    """

    plan: Plan
    models: Models
    runtime: Runtime

    @cached_property
    def preprocessor(self) -> Preprocessor:
        """The fitted preprocessor."""
        return self.plan.preprocessor.offer.load(self.models.model("preprocessor"))

    @cached_property
    def translator(self) -> Translator:
        """The trained translator."""
        return self._placed(self.plan.translator.offer.load(self.models.model("translator")))

    def segmenter(self, entry: str | None = None) -> Segmenter:
        """The trained segmenter of an entry; of the method itself if left out."""
        folder = self.models.model("segmenter", entry or self.plan.entry)
        return self._placed(self.plan.segmenter.offer.load(folder))

    def grader(self, name: str | None = None) -> Grader:
        """The trained grader of that name; of the experiment's own if left out."""
        wanted = name or self.plan.graders[0].offer.name
        chosen = next(grader for grader in self.plan.graders if grader.offer.name == wanted)
        encoder = self.encoder if chosen.offer.needs_encoder else None
        return self._placed(chosen.offer.load(self.models.model("grader", wanted), encoder))

    @property
    def encoder(self) -> SharedEncoder | None:
        """The translator, if it has an encoder that both modalities share."""
        translator = self.translator
        return translator if isinstance(translator, SharedEncoder) else None

    def _placed(self, model: _Model) -> _Model:
        if isinstance(model, Movable):
            model.to(torch_device(self.runtime))
        return model


class Saved(Protocol):
    """Anything fitted."""

    def save(self, folder: Path) -> None:
        """Write all that is needed to restore it."""
        ...


def save_model(model: Saved, stage: Path) -> None:
    """Save a fitted plugin into its stage's folder, whole or not at all.

    Raises:
        OutputError: If it cannot be written.
    """
    partial, final, replaced = stage / f".{MODEL}", stage / MODEL, stage / f".{MODEL}.replaced"
    for folder in (partial, replaced):
        shutil.rmtree(folder, ignore_errors=True)
    model.save(partial)
    with writing(final):
        if final.exists():  # moved and not deleted: half a model must not be taken for a whole one
            final.rename(replaced)
        partial.rename(final)
    shutil.rmtree(replaced, ignore_errors=True)


def torch_device(runtime: Runtime) -> str:
    """The torch device that ``runtime`` asks for; ``auto`` takes a GPU where there is one."""
    if runtime.device != "auto":
        return runtime.device
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
