"""What all stages of a run share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from cmda_core.datasets import Dataset
from cmda_core.hookspecs import GraderOffer
from cmda_core.pipeline.chain import Chain
from cmda_core.pipeline.folder import RunFolder
from cmda_core.pipeline.goal import Goal
from cmda_core.pipeline.plan import Chosen, Plan, StageName
from cmda_core.pipeline.truth import held_out_files
from cmda_core.processes import Place, company
from cmda_core.progress import Progress
from cmda_core.protocols import CropName
from cmda_core.run import Run
from cmda_core.schema import Cohort, Runtime, Task
from cmda_core.workers import Workers


@dataclass
class Workshop:
    """Plan, folder, data and models of a run.

    Attributes:
        plan: Plugins and settings.
        folder: Where everything lies.
        dataset: The scans as they were acquired.
        progress: Where to show how far the work has come.
        goal: What the run is after; all that the plan names if left out.
        place: Of this process among those that share a training.
        workers: Who does work per case; processes of this machine if left out.
    """

    plan: Plan
    folder: RunFolder
    dataset: Dataset
    progress: Progress
    goal: Goal | None = None
    place: Place = field(default_factory=Place)
    workers: Workers | None = None

    @property
    def task(self) -> Task:
        """Modalities and structures."""
        return self.plan.experiment.task

    @property
    def runtime(self) -> Runtime:
        """Device, seed and processes."""
        return self.plan.experiment.runtime

    @cached_property
    def processes(self) -> int:
        """How many share a training that can be shared."""
        return company(self.runtime)

    @property
    def scored(self) -> tuple[str, ...]:
        """Entries whose segmentations are evaluated."""
        return self.goal.scored(self.plan) if self.goal else self.plan.entries

    @property
    def trained(self) -> tuple[str, ...]:
        """Entries whose segmenters are trained."""
        return self.goal.trained(self.plan) if self.goal else self.plan.entries

    @property
    def scores_translations(self) -> bool:
        """Whether translations are compared with paired scans."""
        wanted = self.goal is None or self.goal.translator
        return wanted and self.plan.experiment.data.paired is not None

    @property
    def graders(self) -> tuple[Chosen[GraderOffer], ...]:
        """Graders that are trained and evaluated."""
        return self.goal.graders(self.plan) if self.goal else self.plan.graders

    @cached_property
    def held_out(self) -> frozenset[str]:
        """Files that only stages may open that may know the truth."""
        data = self.plan.experiment.data
        return held_out_files(data.reference, self.dataset, data.paired)

    @cached_property
    def chain(self) -> Chain:
        """The models that earlier stages trained."""
        return Chain(self.plan, self.folder, self.runtime)

    def run(self, folder: Path) -> Run:
        """The surroundings of a plugin whose stage works in ``folder``."""
        return Run(folder, self.runtime, self.progress, self.place, self.workers)

    def fit(self, chosen: Chosen[Any], data: object, stage: Path) -> None:
        """Train a plugin and save it into its stage's folder; of several processes the leader alone saves.

        Raises:
            BrokenPluginError: If the plugin raises what it should not.
            OutputError: If the folder cannot be written.
        """
        model = chosen.fitted(self.task, data, self.run(stage))
        if self.place.leads:
            chosen.save(model, stage)

    def prepared(self, crop: CropName, cohort: str) -> Cohort:
        """A prepared cohort: ``source``, ``target`` or ``test``."""
        return Cohort.load(self.folder.stage("prepared", crop) / f"{cohort}.json")

    def translated(self, cohort: str) -> Cohort:
        """A cohort in the modality that it was not acquired in."""
        return Cohort.load(self.folder.stage("translated") / f"{cohort}.json")


@dataclass(frozen=True)
class Stage:
    """One step of a run.

    Attributes:
        name: Which step it is.
        folder: Where it writes; nobody else writes there.
        identity: What its result depends on, besides earlier stages.
        after: Keys of the stages whose results it reads.
        work: Does it. Called again after an interruption, it goes on from what is in the folder.
        entry: Tells apart stages of one name.
        check: Looks for what the work needs from this machine and of the source cases; called before the
            first stage works.
        may_know: Whether the work may open the held-out reference.
        plugin: Kind and name of the plugin that does most of the work, if one does.
        shared: Whether several processes, each with a device of its own, do the work together.
    """

    name: StageName
    folder: Path
    identity: Mapping[str, object]
    after: tuple[str, ...]
    work: Callable[[Workshop, Path], None]
    entry: str | None = None
    check: Callable[[Cohort], None] | None = None
    may_know: bool = False
    plugin: str = ""
    shared: bool = False

    @property
    def key(self) -> str:
        """Unique name, such as ``train-segmenter:source-only``."""
        return f"{self.name}:{self.entry}" if self.entry else self.name
