"""The presets that ship with cmda, with the plugins that ship with it."""

import pytest

from cmda_core.pipeline import load_experiment, preset_names
from cmda_core.pipeline.plan import make_plan
from cmda_core.registry import Registry


@pytest.mark.parametrize("name", preset_names())
def test_every_setting_of_a_preset_is_one_of_its_plugins(name: str) -> None:
    plan = make_plan(load_experiment(name), Registry.installed())
    assert plan.experiment.name == name


def test_paper_and_official_differ_where_text_and_code_do() -> None:
    registry = Registry.installed()
    paper, official = (
        make_plan(load_experiment(name), registry).translator.config.model_dump()
        for name in ("paper", "official")
    )
    assert {key: (paper[key], official[key]) for key in paper if paper[key] != official[key]} == {
        "reconstruction": ("l1", "smooth-l1"),
        "perceptual_pooling": ("max", "average"),
        "proxy_on_cycled": (False, True),
        "schedule": ("constant", "polynomial"),
        "flip": (False, True),
    }
    assert (paper["epochs"], paper["learning_rate"], paper["batch_size"]) == (1000, 2e-4, 1)
    assert (paper["reconstruction_weight"], paper["perceptual_weight"], paper["gif_classes"]) == (
        10,
        0.01,
        209,
    )
