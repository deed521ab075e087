"""Opens what a user names as a model: the folder of a run, or a bundle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cmda_core.errors import RunError
from cmda_core.files import real_path
from cmda_core.pipeline.bundle import is_bundle, opened_bundle
from cmda_core.pipeline.chain import Chain, Models
from cmda_core.pipeline.experiments import load_experiment
from cmda_core.pipeline.folder import RunFolder
from cmda_core.pipeline.plan import Plan, make_plan
from cmda_core.registry import Registry
from cmda_core.schema import Runtime, parse_settings


@contextmanager
def opened_chain(
    model: Path, registry: Registry, runtime: Mapping[str, object] | None = None
) -> Iterator[Chain]:
    """The trained models of a run or a bundle, for as long as the block runs.

    Args:
        model: A run folder or a bundle.
        registry: Where the model's plugins are looked up.
        runtime: What to change in the model's runtime, such as ``{"device": "cpu"}``.

    Raises:
        RunError: If ``model`` is neither.
        UnknownPluginError: If a plugin of the run is not installed.
        DataError: If the bundle is damaged, unsafe, or made for other plugins.
    """
    with _opened(model, registry) as (plan, models):
        values = {**plan.experiment.runtime.model_dump(), **(runtime or {})}
        yield Chain(plan, models, parse_settings(Runtime, values, "runtime"))


@contextmanager
def _opened(model: Path, registry: Registry) -> Iterator[tuple[Plan, Models]]:
    real_path(model)  # says what is wrong with one that cannot even be looked for
    if is_bundle(model):
        with opened_bundle(model, registry) as opened:
            yield opened
        return
    if not (model / "experiment.yaml").is_file():
        raise RunError(
            f"{model}: is not a run folder (it has no experiment.yaml) and not a bundle (no bundle.json)."
        )
    folder = RunFolder.existing(model)
    path = str(folder.experiment)
    yield make_plan(load_experiment(path), registry, origin=path), folder
