"""The plugin under check, with its cohorts; trained once, when a check first needs it."""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from unittest import SkipTest

import numpy as np
from numpy.typing import NDArray

from cmda_core.hookspecs import Offer
from cmda_core.progress import Progress, Silent
from cmda_core.run import Run
from cmda_core.schema import PluginConfig, Runtime, Task, parse_settings
from cmda_core.testing.traces import Traces, watched

SEED = 3
Answers = Mapping[str, NDArray[Any]]
"""All that a trained plugin says of the same inputs, under names for messages."""


class Interruption(BaseException):
    """Ends a training from within, as Ctrl-C would."""


class CountingProgress:
    """Counts the steps that are reported, and interrupts at a number of them.

    Args:
        limit: Steps after which the training is interrupted.
    """

    def __init__(self, limit: float = float("inf")) -> None:
        self.steps = 0
        self._limit = limit

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Callable[[int], None]]:  # noqa: ARG002
        """Count the steps of a task."""

        def advance(steps: int) -> None:
            self.steps += steps
            if steps and self.steps >= self._limit:
                raise Interruption

        yield advance

    def note(self, message: str) -> None:
        """Show nothing."""


@dataclass(frozen=True, slots=True)
class Training:
    """One training.

    Attributes:
        model: What was trained.
        folder: Of its run.
        traces: What it left behind.
        steps: Steps that it reported.
    """

    model: Any
    folder: Path
    traces: Traces
    steps: int


class Subject(ABC):
    """A plugin with the settings and the task that it is checked with.

    Args:
        offer: What the plugin's hook returns.
        config: Settings with which it learns tiny cohorts in seconds; the offer's own if left out.
        task: Modalities and structures.
    """

    methods: Mapping[str, int]
    """Methods that the protocol asks for, and how many arguments each takes."""

    def __init__(
        self, offer: Offer, config: PluginConfig | Mapping[str, object] | None, task: Task | None
    ) -> None:
        self.offer: Any = offer
        self.task = task or Task()
        if not isinstance(config, PluginConfig):
            values = offer.tiny if config is None else config
            config = parse_settings(offer.config, dict(values), f"settings for the checks of {offer.name!r}")
        self.config = config

    @cached_property
    def work(self) -> Path:
        """A folder that goes when the subject does."""
        folder = Path(tempfile.mkdtemp(prefix="cmda-check-")).resolve()
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    @cached_property
    def data(self) -> Any:
        """The training cohorts."""
        folder = self.work / "data"
        folder.mkdir()
        return self.make_data(folder)

    @abstractmethod
    def make_data(self, folder: Path) -> Any:
        """Write the training cohorts."""

    @abstractmethod
    def infer(self, model: Any) -> object:
        """Ask a model for one result."""

    @abstractmethod
    def answers(self, model: Any) -> Answers:
        """Ask a model for results whose values can be compared."""

    def build(self) -> Any:
        """An untrained model."""
        return self.offer.build(self.config, self.task)

    def load(self, folder: Path) -> Any:
        """A model that was saved."""
        return self.offer.load(folder)

    def fit(
        self,
        name: str,
        *,
        device: Literal["cpu", "cuda", "mps"] = "cpu",
        progress: Progress | None = None,
        data: Any = None,
    ) -> Any:
        """Train a new model in the run folder of that name; a random generator's state means nothing.

        Args:
            name: Of the run folder.
            device: Where to train.
            progress: Told of the steps.
            data: Other cohorts than the subject's own.
        """
        model = self.build()
        runtime = Runtime(device=device, seed=SEED, threads=1)
        data = self.data if data is None else data
        _stir()
        model.fit(data, Run(self.work / "runs" / name, runtime, progress or Silent()))
        return model

    @cached_property
    def training(self) -> Training | Exception:
        """The training that most checks look at, or how it failed."""
        self.data, self.work  # noqa: B018  # made before anybody watches
        progress = CountingProgress()
        try:
            with watched(self.work) as traces:
                model = self.fit("first", progress=progress)
        except Exception as error:  # noqa: BLE001  # a rule of its own tells of it
            return error
        return Training(model, self.work / "runs" / "first", traces, progress.steps)

    @property
    def trained(self) -> Training:
        """The same; SkipTest if it failed, which the rule ``learns`` tells."""
        if isinstance(self.training, Exception):
            raise SkipTest("it does not learn, see the rule 'learns'")
        return self.training

    @property
    def model(self) -> Any:
        """The trained model."""
        return self.trained.model

    def saved(self, model: Any, name: str) -> Path:
        """The folder that a model was saved to, written once for each name."""
        folder = self.work / "saved" / name
        if not folder.exists():
            model.save(folder)
        return folder


def _stir() -> None:
    """Bring the global random generators into a state that nobody has asked for."""
    random.seed(None)
    np.random.seed(None)  # noqa: NPY002  # libraries draw from it
    if torch := sys.modules.get("torch"):
        torch.seed()
