"""A whole experiment that takes seconds: a small phantom cohort, and every plugin of the method or toys."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml

TOYS = Path(__file__).parents[1] / "fixtures"


def write_scans(root: Path, *, toys: bool, jobs: int = 1) -> None:
    """Write the cohort, labels and grades included."""
    if toys:
        sys.path.insert(0, str(TOYS))
        import cmda_toy

        cmda_toy.write_dataset(root, tests=2)
        return
    from cmda_core.datasets.phantom.acquisition import Protocol
    from cmda_core.datasets.phantom.dataset import plan_cohort, write_cohort
    from cmda_core.datasets.phantom.presets import PRESETS, Preset
    from cmda_core.progress import Silent

    protocols = {
        (centre, modality): Protocol((2.0, 2.0, 3.0), (92, 92, 24), "LPS", 1000, 0.012)
        for centre, modality in PRESETS["demo"].protocols
    }
    preset = Preset(8, 3, 2, 0.0, protocols)
    plans = plan_cohort(preset, source=None, target=None, test=None)
    write_cohort(root, preset, plans, seed=5, jobs=jobs, progress=Silent())


def write_experiment(path: Path, root: Path, *, toys: bool) -> None:
    """Write the experiment: all stages, with a baseline and a cross-validation."""
    kinds = ("preprocessor", "translator", "segmenter", "grader")
    chosen = {kind: {"plugin": "toy"} for kind in kinds} if toys else _method(kinds)
    graders = [] if toys else [{"plugin": "volumetrics", "folds": 2}]
    experiment = {
        "name": "torture",
        "data": {"root": str(root), "reference": str(root / "crossmoda2022_reference")},
        **chosen,
        "baselines": {"source_only": True, "graders": graders},
        "grading": {"folds": 2},
        "runtime": {"device": "cpu", "threads": 1, "jobs": 1},
    }
    path.write_text(yaml.safe_dump(json.loads(json.dumps(experiment))), encoding="utf-8")


def _method(kinds: tuple[str, ...]) -> dict[str, dict[str, object]]:
    from cmda_core.registry import Registry

    registry = Registry.installed()
    names = ("crossmoda", "msf-net", "nnunet", "msf-koos-net")
    chosen = {}
    for kind, name in zip(kinds, names, strict=True):
        tiny = dict(getattr(registry, kind)(name).tiny)
        if name != "crossmoda":  # enough steps to be killed between two checkpoints
            tiny |= {"epochs": 4}
        chosen[kind] = {"plugin": name, **tiny}
    return chosen
