"""The plan of a run: every plugin found and every setting checked before the first long step."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from cmda_core.errors import BrokenPluginError, ConfigError
from cmda_core.files import writing
from cmda_core.hookspecs import GraderOffer, Offer, PreprocessorOffer, SegmenterOffer, TranslatorOffer
from cmda_core.pipeline.blame import blamed
from cmda_core.pipeline.folder import MODEL
from cmda_core.registry import Kind, Registry
from cmda_core.run import Run
from cmda_core.schema import Cohort, Experiment, PluginChoice, PluginConfig, Task, parse_settings

StageName = Literal[
    "prepare",
    "train-translator",
    "translate",
    "augment",
    "pseudo-label",
    "train-segmenter",
    "segment",
    "train-grader",
    "grade",
    "cross-validate",
    "evaluate",
    "report",
]
STAGES: tuple[StageName, ...] = (
    "prepare",
    "train-translator",
    "translate",
    "augment",
    "pseudo-label",
    "train-segmenter",
    "segment",
    "train-grader",
    "grade",
    "cross-validate",
    "evaluate",
    "report",
)
SOURCE_ONLY = "source-only"
"""Entry of the segmenter that was trained on the source modality alone."""

AnyOffer = TypeVar("AnyOffer", bound=Offer)


@dataclass(frozen=True, slots=True)
class Chosen(Generic[AnyOffer]):
    """A plugin and its checked settings; calls of it name it in whatever it raises."""

    kind: Kind
    offer: AnyOffer
    config: PluginConfig

    @property
    def label(self) -> str:
        """Kind and name, as messages call it."""
        return f"{self.kind} {self.offer.name!r}"

    def build(self, task: Task) -> Any:
        """An untrained plugin, of the protocol of its kind.

        Raises:
            BrokenPluginError: If the plugin raises.
        """
        with blamed(self.label, "build"):
            return self.offer.build(self.config, task)  # type: ignore[attr-defined]  # each kind of offer has it

    def fitted(self, task: Task, data: object, run: Run) -> Any:
        """A trained plugin, of the protocol of its kind.

        Raises:
            BrokenPluginError: If the plugin raises what it should not.
        """
        model = self.build(task)
        with blamed(self.label, "fit"):
            model.fit(data, run)
        return model

    def save(self, model: Any, stage: Path) -> None:
        """Save a trained plugin into its stage's folder, whole or not at all.

        Raises:
            BrokenPluginError: If the plugin raises, or makes no folder.
            OutputError: If the folder cannot be written.
        """
        partial, final, replaced = stage / f".{MODEL}", stage / MODEL, stage / f".{MODEL}.replaced"
        for folder in (partial, replaced):
            shutil.rmtree(folder, ignore_errors=True)
        with blamed(self.label, "save"):
            model.save(partial)
        if not partial.is_dir():
            raise BrokenPluginError(f"{self.label}: save() made no folder. It writes all that load() needs.")
        with writing(final):
            if final.exists():  # moved and not deleted: half a model must not be taken for a whole one
                final.rename(replaced)
            partial.rename(final)
        shutil.rmtree(replaced, ignore_errors=True)

    def load(self, folder: Path, *more: object) -> Any:
        """A plugin that ``save`` wrote, of the protocol of its kind.

        Raises:
            BrokenPluginError: If the plugin raises what it should not, as of damaged files.
        """
        with blamed(self.label, "load", f"Are the files in {folder} damaged?"):
            return self.offer.load(folder, *more)  # type: ignore[attr-defined]  # as above

    @property
    def identity(self) -> dict[str, object]:
        """What the plugin's results depend on, besides its input."""
        return {
            "plugin": self.offer.name,
            "version": self.offer.version,
            "config": self.config.model_dump(mode="json"),
        }

    def check(self, source: Cohort) -> None:
        """Let the plugin look for what its settings ask of this machine and of the source cases.

        Raises:
            ConfigError: If something is missing.
        """
        if self.offer.check is not None:
            with blamed(self.label, "check"):
                self.offer.check(self.config, source)


@dataclass(frozen=True, slots=True)
class Plan:
    """An experiment with its plugins.

    Attributes:
        origins: Where every installed plugin comes from, for processes that look them up again.
    """

    experiment: Experiment
    preprocessor: Chosen[PreprocessorOffer]
    translator: Chosen[TranslatorOffer]
    segmenter: Chosen[SegmenterOffer]
    graders: tuple[Chosen[GraderOffer], ...]
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def entry(self) -> str:
        """Entry of the method's own segmenter: the last student, or the teacher without self-training."""
        return self.experiment.entry

    @property
    def learners(self) -> tuple[str, ...]:
        """Entries of the segmenters that learn from translated scans: the teacher, and its students."""
        return (self.experiment.teacher, *self.experiment.students)

    @property
    def entries(self) -> tuple[str, ...]:
        """All entries whose segmentations are compared."""
        return (SOURCE_ONLY, *self.learners) if self.experiment.baselines.source_only else self.learners

    @property
    def grader_names(self) -> tuple[str, ...]:
        """All graders, the experiment's own first."""
        return tuple(grader.offer.name for grader in self.graders)

    @property
    def resolved(self) -> Experiment:
        """The experiment with every default of every plugin filled in."""
        graders = [_choice(grader) for grader in self.graders]
        return self.experiment.model_copy(
            update={
                "preprocessor": _choice(self.preprocessor),
                "translator": _choice(self.translator),
                "segmenter": _choice(self.segmenter),
                "grader": graders[0],
                "baselines": self.experiment.baselines.model_copy(update={"graders": tuple(graders[1:])}),
            }
        )


def make_plan(experiment: Experiment, registry: Registry, *, grading: bool = True, origin: str = "") -> Plan:
    """Find the plugins of an experiment and check their settings.

    Args:
        experiment: Names them.
        registry: Where they are looked up.
        grading: Whether graders will be used, and have to go together with the translator.
        origin: File of the experiment, to begin messages with.

    Raises:
        UnknownPluginError: If a plugin is not installed.
        ConfigError: If a setting cannot be used, or two plugins do not go together.
    """
    where = f"{origin}: " if origin else ""
    plan = Plan(
        experiment,
        _chosen(
            "preprocessor",
            registry.preprocessor(experiment.preprocessor.plugin),
            experiment.preprocessor,
            where,
        ),
        _chosen(
            "translator", registry.translator(experiment.translator.plugin), experiment.translator, where
        ),
        _chosen("segmenter", registry.segmenter(experiment.segmenter.plugin), experiment.segmenter, where),
        tuple(
            _chosen("grader", registry.grader(choice.plugin), choice, where)
            for choice in (experiment.grader, *experiment.baselines.graders)
        ),
        registry.origins,
    )
    _check_names(plan)
    _check_structures(experiment)
    _check_ignoring(plan)
    if grading:
        _check_encoder(plan)
    return plan


def region_mm(experiment: Experiment, registry: Registry) -> tuple[float, float, float] | None:
    """Edges of the region that the experiment's preprocessor cuts out of a scan, if it says so.

    Returns:
        From right to left, front to back and foot to head, mm.

    Raises:
        UnknownPluginError: If the preprocessor is not installed.
        ConfigError: If a setting of it cannot be used.
    """
    choice = experiment.preprocessor
    chosen = _chosen("preprocessor", registry.preprocessor(choice.plugin), choice)
    return None if chosen.offer.region_mm is None else chosen.offer.region_mm(chosen.config)


def _check_names(plan: Plan) -> None:
    names = plan.grader_names
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"baselines.graders: {name!r} is there twice. Name each grader once.")


def _check_structures(experiment: Experiment) -> None:
    known = experiment.task.structures
    named = {
        "intensity_augmentation.structures": experiment.intensity_augmentation.structures,
        "self_training.components": tuple(experiment.self_training.components or ()),
    }
    for setting, names in named.items():
        for name in names:
            if name not in known:
                raise ConfigError(
                    f"{setting}: {name!r} is no structure of the task. It has {', '.join(known)}."
                )


def _check_ignoring(plan: Plan) -> None:
    training = plan.experiment.self_training
    ignores = training.rounds and training.voxel_confidence and training.uncertain == "ignore"
    if ignores and not plan.segmenter.offer.ignores_voxels:
        raise ConfigError(
            f"self_training.uncertain = 'ignore': segmenter {plan.segmenter.offer.name!r} cannot leave "
            "voxels out of its training. Set self_training.uncertain to background, or "
            "self_training.voxel_confidence to 0."
        )


def _check_encoder(plan: Plan) -> None:
    for grader in plan.graders:
        if grader.offer.needs_encoder and not plan.translator.offer.shared_encoder:
            raise ConfigError(
                f"grader {grader.offer.name!r} needs a translator with a shared encoder, and "
                f"{plan.translator.offer.name!r} has none. Choose another grader, or another translator."
            )


def _chosen(kind: Kind, offer: AnyOffer, choice: PluginChoice, where: str = "") -> Chosen[AnyOffer]:
    section = f"{where}{kind} ({offer.name})"
    with blamed(f"{kind} {offer.name!r}", "config"):
        return Chosen(kind, offer, parse_settings(offer.config, choice.settings, section))


def _choice(chosen: Chosen[AnyOffer]) -> PluginChoice:
    return PluginChoice.model_validate({"plugin": chosen.offer.name, **chosen.config.model_dump(mode="json")})
