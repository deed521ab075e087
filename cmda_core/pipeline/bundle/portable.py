"""An experiment without what belongs to one machine."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from cmda_core.pipeline.plan import Chosen, Plan
from cmda_core.schema import Experiment, portable_settings

_MACHINE = {"device", "devices", "threads", "jobs", "backend", "address"}


def portable_experiment(plan: Plan, graders: Collection[str | None]) -> dict[str, Any]:
    """The resolved experiment without data, paths, device and number of processes.

    Args:
        plan: The experiment and its plugins.
        graders: Names of the graders to keep beside the experiment's own.
    """
    experiment = plan.experiment
    own, *others = plan.graders
    return {
        "name": experiment.name,
        "task": experiment.task.model_dump(mode="json"),
        "preprocessor": _choice(plan.preprocessor),
        "translator": _choice(plan.translator),
        "segmenter": _choice(plan.segmenter),
        **_learning(experiment),
        "grader": _choice(own),
        "baselines": {"graders": [_choice(other) for other in others if other.offer.name in graders]},
        "runtime": experiment.runtime.model_dump(mode="json", exclude=_MACHINE),
    }


def _learning(experiment: Experiment) -> dict[str, Any]:
    """What the segmenter learnt from beside source scans and translated ones, if anything."""
    sections: dict[str, Any] = {}
    if experiment.intensity_augmentation.factors:
        sections["intensity_augmentation"] = experiment.intensity_augmentation.model_dump(mode="json")
    if experiment.self_training.rounds:
        sections["self_training"] = experiment.self_training.model_dump(mode="json")
    return sections


def _choice(chosen: Chosen[Any]) -> dict[str, Any]:
    return {"plugin": chosen.offer.name, **portable_settings(chosen.config)}
