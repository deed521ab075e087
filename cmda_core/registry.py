"""Finds plugins and hands out what they offer."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Literal, TypeVar

from pluggy import PluginManager, PluginValidationError

from cmda_core import hookspecs
from cmda_core.errors import BrokenPluginError, UnknownPluginError
from cmda_core.hookspecs import (
    API_VERSION,
    GraderOffer,
    Offer,
    PreprocessorOffer,
    SegmenterOffer,
    TranslatorOffer,
)
from cmda_core.schema import PluginConfig

ENTRY_POINT_GROUP = "cmda.plugins"

Kind = Literal["preprocessor", "translator", "segmenter", "grader"]
AnyOffer = TypeVar("AnyOffer", bound=Offer)
_NAME = re.compile(r"[a-z0-9]+([-_.][a-z0-9]+)*")


class Registry:
    """The plugins of one process.

    Attributes:
        broken: Plugins that failed to load, or whose hook raised, with the reason. A broken plugin is
            reported when plugins are listed or one is not found, and never stops another one.
        origins: Where the plugins come from that a module holds, as entry points write it
            (``module`` or ``module:attribute``), by name.
    """

    def __init__(self) -> None:
        self._manager = PluginManager("cmda")
        self._manager.add_hookspecs(hookspecs)
        self.broken: dict[str, BaseException] = {}
        self.origins: dict[str, str] = {}

    @classmethod
    def installed(cls) -> Registry:
        """Registry with every plugin that is installed in this environment."""
        registry = cls()
        for entry_point in entry_points(group=ENTRY_POINT_GROUP):
            registry._add_entry_point(entry_point)
        return registry

    @classmethod
    def of(cls, origins: Mapping[str, str]) -> Registry:
        """Registry with the plugins of another one, looked up again."""
        registry = cls()
        for name, origin in origins.items():
            registry._add_entry_point(EntryPoint(name, origin, ENTRY_POINT_GROUP))
        return registry

    def add(self, plugin: object, name: str | None = None) -> None:
        """Register a plugin: a module or any object with hook implementations.

        Raises:
            BrokenPluginError: If it implements a hook that does not exist or takes other arguments.
        """
        try:
            key = self._manager.register(plugin, name)
            self._manager.check_pending()
        except (PluginValidationError, ValueError) as error:
            if self._manager.is_registered(plugin):  # pluggy registers before it validates
                self._manager.unregister(plugin)
            reason = str(error).removesuffix(f" in plugin {plugin!r}")
            raise BrokenPluginError(
                f"{name or plugin!r} is not a plugin for API version {API_VERSION} of cmda: {reason}"
            ) from error
        if key and isinstance(plugin, ModuleType):
            self.origins[key] = plugin.__name__

    def preprocessors(self) -> dict[str, PreprocessorOffer]:
        """All preprocessors by name; BrokenPluginError if two plugins offer the same name."""
        return self._collect("preprocessor", PreprocessorOffer)

    def translators(self) -> dict[str, TranslatorOffer]:
        """All translators by name; BrokenPluginError if two plugins offer the same name."""
        return self._collect("translator", TranslatorOffer)

    def segmenters(self) -> dict[str, SegmenterOffer]:
        """All segmenters by name; BrokenPluginError if two plugins offer the same name."""
        return self._collect("segmenter", SegmenterOffer)

    def graders(self) -> dict[str, GraderOffer]:
        """All graders by name; BrokenPluginError if two plugins offer the same name."""
        return self._collect("grader", GraderOffer)

    def offers(self) -> dict[Kind, Mapping[str, Offer]]:
        """Everything, by kind and name."""
        return {
            "preprocessor": self.preprocessors(),
            "translator": self.translators(),
            "segmenter": self.segmenters(),
            "grader": self.graders(),
        }

    def preprocessor(self, name: str) -> PreprocessorOffer:
        """The preprocessor of that name; UnknownPluginError if no installed plugin offers it."""
        return self._find("preprocessor", name, self.preprocessors())

    def translator(self, name: str) -> TranslatorOffer:
        """The translator of that name; UnknownPluginError if no installed plugin offers it."""
        return self._find("translator", name, self.translators())

    def segmenter(self, name: str) -> SegmenterOffer:
        """The segmenter of that name; UnknownPluginError if no installed plugin offers it."""
        return self._find("segmenter", name, self.segmenters())

    def grader(self, name: str) -> GraderOffer:
        """The grader of that name; UnknownPluginError if no installed plugin offers it."""
        return self._find("grader", name, self.graders())

    def source(self, kind: Kind, name: str) -> str:
        """Module that offers the plugin of that kind and name; empty if there is none."""
        for implementation in getattr(self._manager.hook, f"offer_{kind}s").get_hookimpls():
            for offer in self._call(implementation.plugin_name, implementation.function):
                if getattr(offer, "name", None) == name:
                    return str(implementation.function.__module__)
        return ""

    def named(self, name: str) -> list[tuple[Kind, Offer]]:
        """The plugins of that name, of any kind; UnknownPluginError if there is none."""
        offers = self.offers()
        found = [(kind, by_name[name]) for kind, by_name in offers.items() if name in by_name]
        if not found:
            known = [key for by_name in offers.values() for key in by_name]
            raise UnknownPluginError(self._unknown("plugin", name, known))
        return found

    def _add_entry_point(self, entry_point: EntryPoint) -> None:
        try:
            self.add(entry_point.load(), entry_point.name)
            self.origins[entry_point.name] = entry_point.value
        except ImportError as error:
            ours = (error.name or "").startswith("cmda_core")
            self.broken[entry_point.name] = _for_another_cmda(error) if ours else error
        except (Exception, SystemExit) as error:  # noqa: BLE001  # an import may raise or exit; others survive it
            self.broken[entry_point.name] = error

    def _collect(self, kind: Kind, offer_type: type[AnyOffer]) -> dict[str, AnyOffer]:
        found: dict[str, tuple[AnyOffer, str]] = {}
        for implementation in getattr(self._manager.hook, f"offer_{kind}s").get_hookimpls():
            plugin = implementation.plugin_name
            for offer in self._call(plugin, implementation.function):
                if not isinstance(offer, offer_type):
                    self.broken[plugin] = BrokenPluginError(
                        f"offer_{kind}s() must return {offer_type.__name__} objects, got "
                        f"{type(offer).__name__}."
                    )
                    continue
                if problem := _problem_of(offer):
                    self.broken[plugin] = BrokenPluginError(f"its {kind} {offer.name!r}: {problem}.")
                    continue
                if offer.api_version != API_VERSION:
                    self.broken[plugin] = _other_api(kind, offer)
                    continue
                if offer.name in found:
                    raise BrokenPluginError(
                        f"two plugins offer the {kind} {offer.name!r}: {found[offer.name][1]!r} and "
                        f"{plugin!r}. Uninstall one of them."
                    )
                found[offer.name] = offer, plugin
        return {name: offer for name, (offer, _) in sorted(found.items())}

    def _call(self, plugin: str, hook: Callable[[], Iterable[object]]) -> list[object]:
        try:
            return list(hook())
        except TypeError as error:
            self.broken[plugin] = _for_another_cmda(error)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a hook may raise or exit; others survive it
            self.broken[plugin] = error
        return []

    def _find(self, kind: Kind, name: str, offers: Mapping[str, AnyOffer]) -> AnyOffer:
        if name not in offers:
            raise UnknownPluginError(self._unknown(kind, name, offers))
        return offers[name]

    def _unknown(self, kind: str, name: str, known: Iterable[str]) -> str:
        names = sorted(known)
        lines = [f"no {kind} named {name!r} is installed."]
        if near := difflib.get_close_matches(name, names, n=1):
            lines.append(f"Did you mean {near[0]!r}?")
        lines.append(f"Installed: {', '.join(names) or 'none'}.")
        lines += [f"Plugin {plugin!r} failed to load: {error}" for plugin, error in self.broken.items()]
        return "\n".join(lines)


def _for_another_cmda(error: Exception) -> BrokenPluginError:
    return BrokenPluginError(
        f"{error}. If the plugin was made for another cmda: this one has API version {API_VERSION}."
    )


def _problem_of(offer: Offer) -> str:
    """What is wrong with the declaration of a plugin; a dataclass takes values of any type."""
    if not isinstance(offer.name, str) or not _NAME.fullmatch(offer.name):
        return "its name must be lower-case words joined by hyphens"
    if not (isinstance(offer.config, type) and issubclass(offer.config, PluginConfig)):
        return "its config must be a subclass of PluginConfig"
    if not isinstance(offer.version, str):
        return "its version must be text"
    return ""


def _other_api(kind: Kind, offer: Offer) -> BrokenPluginError:
    older = offer.api_version < API_VERSION
    return BrokenPluginError(
        f"its {kind} {offer.name!r} was made for API version {offer.api_version} of cmda, and this cmda has "
        f"version {API_VERSION}. Install a newer version of {'the plugin' if older else 'cmda'}."
    )
