from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import cmda_toy
import pytest

from cmda_core import registry as registry_module
from cmda_core.errors import BrokenPluginError, UnknownPluginError
from cmda_core.hookspecs import TranslatorOffer, hookimpl
from cmda_core.registry import Registry


def offer(name: str) -> TranslatorOffer:
    return TranslatorOffer(
        name=name,
        summary="",
        config=cmda_toy.ToyConfig,
        reference="",
        build=cmda_toy.ToyTranslator,
        load=cmda_toy._load_translator,
    )


def plugin_offering(*names: str) -> object:
    @hookimpl
    def offer_translators() -> list[TranslatorOffer]:
        return [offer(name) for name in names]

    return SimpleNamespace(offer_translators=offer_translators)


def test_offers_are_sorted_by_name() -> None:
    registry = Registry()
    registry.add(plugin_offering("zeta", "alpha"), "letters")
    assert list(registry.translators()) == ["alpha", "zeta"]


def test_unknown_name_gets_a_suggestion() -> None:
    registry = Registry()
    registry.add(plugin_offering("msf-net"), "one")
    with pytest.raises(UnknownPluginError, match="Did you mean 'msf-net'"):
        registry.translator("msfnet")


def test_two_plugins_with_one_name_are_both_named() -> None:
    registry = Registry()
    registry.add(plugin_offering("same"), "first")
    registry.add(plugin_offering("same"), "second")
    with pytest.raises(BrokenPluginError, match=r"'same': '(first|second)' and '(first|second)'"):
        registry.translators()


def test_hook_that_does_not_exist_is_refused_and_forgotten() -> None:
    @hookimpl
    def offer_translater() -> list[TranslatorOffer]:
        return []

    registry = Registry()
    with pytest.raises(BrokenPluginError, match="unknown hook 'offer_translater'"):
        registry.add(SimpleNamespace(offer_translater=offer_translater), "typo")
    assert registry.translators() == {}


def test_wrong_type_of_offer_is_named() -> None:
    @hookimpl
    def offer_translators() -> list[str]:
        return ["msf-net"]

    registry = Registry()
    registry.add(SimpleNamespace(offer_translators=offer_translators), "careless")
    registry.add(plugin_offering("works"), "good")
    assert list(registry.translators()) == ["works"]
    assert "must return TranslatorOffer objects, got str" in str(registry.broken["careless"])


def test_entry_point_that_fails_to_load_is_isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("lost", "cmda_no_such_module", "cmda.plugins"),
        EntryPoint("toy", "cmda_toy", "cmda.plugins"),
    ]
    monkeypatch.setattr(registry_module, "entry_points", lambda group: points)
    registry = Registry.installed()
    assert "toy" in registry.translators()
    assert "cmda_no_such_module" in str(registry.broken["lost"])
    with pytest.raises(UnknownPluginError, match="Plugin 'lost' failed to load: No module named"):
        registry.translator("missing")


def test_plugin_that_imports_from_another_cmda_gets_a_hint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cmda_old.py").write_text("from cmda_core.protocols import Painter\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(
        registry_module, "entry_points", lambda group: [EntryPoint("old", "cmda_old", "cmda.plugins")]
    )
    reason = str(Registry.installed().broken["old"])
    assert "cannot import name 'Painter'" in reason
    assert reason.endswith("If the plugin was made for another cmda: this one has API version 1.")


def test_hook_that_raises_is_isolated() -> None:
    @hookimpl
    def offer_translators() -> list[TranslatorOffer]:
        raise RuntimeError("no licence")

    registry = Registry()
    registry.add(plugin_offering("works"), "good")
    registry.add(SimpleNamespace(offer_translators=offer_translators), "bad")
    assert list(registry.translators()) == ["works"]
    assert str(registry.broken["bad"]) == "no licence"


@pytest.mark.parametrize(("version", "older"), [(0, "the plugin"), (2, "cmda")])
def test_offer_for_another_api_is_reported_and_not_used(version: int, older: str) -> None:
    @hookimpl
    def offer_translators() -> list[TranslatorOffer]:
        return [replace(offer("elsewhen"), api_version=version), offer("now")]

    registry = Registry()
    registry.add(SimpleNamespace(offer_translators=offer_translators), "both")
    assert list(registry.translators()) == ["now"]
    with pytest.raises(
        UnknownPluginError,
        match=f"'elsewhen' was made for API version {version} of cmda, and this cmda has version 1. "
        f"Install a newer version of {older}.",
    ):
        registry.translator("elsewhen")


def test_offer_with_fields_of_another_api_gets_a_hint() -> None:
    @hookimpl
    def offer_translators() -> list[TranslatorOffer]:
        return [TranslatorOffer(colour="blue")]  # type: ignore[call-arg]

    registry = Registry()
    registry.add(SimpleNamespace(offer_translators=offer_translators), "odd")
    assert registry.translators() == {}
    assert "'colour'. If the plugin was made for another cmda: this one has API version 1" in str(
        registry.broken["odd"]
    )


def test_installed_plugins_all_work() -> None:
    registry = Registry.installed()
    assert all(registry.offers().values())
    assert registry.broken == {}


def test_plugins_of_modules_are_found_again_by_where_they_come_from() -> None:
    registry = Registry.installed()
    registry.add(cmda_toy, "toy")
    registry.add(plugin_offering("nowhere"), "object")
    assert registry.origins["toy"] == "cmda_toy"
    assert "object" not in registry.origins
    again = Registry.of(registry.origins)
    assert list(again.translators()) == [name for name in registry.translators() if name != "nowhere"]
    assert again.broken == {}
