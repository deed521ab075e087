"""The extension points of cmda: the whole plugin API on one page.

A plugin is a module, named in the entry-point group ``cmda.plugins``, with one or more of the
hooks below. Each returns offers: what can be asked for by name. Hooks are called whenever plugins
are listed, so they must be cheap: import torch inside ``build``, not at the top of the module.

All of this page and of `cmda_core.protocols` is the plugin API. ``API_VERSION`` counts its incompatible
changes: a hook, a field or a method that is taken away, renamed, or promises something else. New hooks
and new fields with a default do not change it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pluggy import HookimplMarker, HookspecMarker

from cmda_core.protocols import Grader, Preprocessor, Segmenter, SharedEncoder, Translator
from cmda_core.schema import Cohort, PluginConfig, Task

API_VERSION = 1
"""Version of the plugin API that this cmda has."""

hookspec = HookspecMarker("cmda")
hookimpl = HookimplMarker("cmda")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What every kind of plugin says of itself.

    Attributes:
        name: What the user types; lower case, words joined by hyphens, unique within its kind.
        summary: One line for lists.
        config: Model of the settings; ``config()`` is the published method.
        reference: Paper or repository that defines the method, as a DOI or URL.
        version: Changes whenever the plugin's results change: a finished stage is then run again.
        check: Called with the settings and the source cases, as they were acquired, before the first long
            step of a run that will train the plugin; raises ConfigError if something that the settings
            ask for is missing, on this machine or with the cases.
        tiny: Settings with which it learns tiny cohorts in seconds; for the checks of its contract.
        several_devices: True if ``fit`` may be called in several processes at once, one per device: it shares
            the work by the run's Fabric, ends with the same weights in all of them, and writes nothing where
            ``run.leads`` is false. Trainings of others use one device.
        api_version: The API that the plugin was written for. The default stays 1 for ever, so that an
            offer of a later API names its version.
    """

    name: str
    summary: str
    config: type[PluginConfig]
    reference: str
    version: str = "1"
    check: Callable[[Any, Cohort], None] | None = None
    tiny: Mapping[str, object] = field(default_factory=dict, hash=False)
    several_devices: bool = False
    api_version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessorOffer(Offer):
    """A preprocessor.

    Attributes:
        build: Makes an unfitted preprocessor from its settings and the task.
        load: Restores a preprocessor from a folder that its ``save`` wrote.
        region_mm: Edges of the region that it cuts out of a scan with these settings, from right to left,
            front to back and foot to head in mm, so that scans that do not fill it can be found.
    """

    build: Callable[[Any, Task], Preprocessor]
    load: Callable[[Path], Preprocessor]
    region_mm: Callable[[Any], tuple[float, float, float]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslatorOffer(Offer):
    """A translator.

    Attributes:
        build: Makes an untrained translator from its settings and the task.
        load: Restores a translator from a folder that its ``save`` wrote.
        shared_encoder: True if what ``build`` makes is a SharedEncoder too.
    """

    build: Callable[[Any, Task], Translator]
    load: Callable[[Path], Translator]
    shared_encoder: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterOffer(Offer):
    """A segmenter.

    Attributes:
        build: Makes an untrained segmenter from its settings and the task.
        load: Restores a segmenter from a folder that its ``save`` wrote.
        ignores_voxels: True if it learns nothing from voxels that have the label ``ignore`` of its
            ``SegmentationData``; no other segmenter is given such voxels.
    """

    build: Callable[[Any, Task], Segmenter]
    load: Callable[[Path], Segmenter]
    ignores_voxels: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GraderOffer(Offer):
    """A grader.

    Attributes:
        build: Makes an untrained grader from its settings and the task.
        load: Restores a grader from a folder that its ``save`` wrote; it is given the encoder of
            the run's translator if ``needs_encoder``.
        needs_encoder: True if it only works with a translator that is a SharedEncoder.
    """

    build: Callable[[Any, Task], Grader]
    load: Callable[[Path, SharedEncoder | None], Grader]
    needs_encoder: bool = False


@hookspec
def offer_preprocessors() -> Iterable[PreprocessorOffer]:
    """Preprocessors that this plugin adds."""
    return ()


@hookspec
def offer_translators() -> Iterable[TranslatorOffer]:
    """Translators that this plugin adds."""
    return ()


@hookspec
def offer_segmenters() -> Iterable[SegmenterOffer]:
    """Segmenters that this plugin adds."""
    return ()


@hookspec
def offer_graders() -> Iterable[GraderOffer]:
    """Graders that this plugin adds."""
    return ()
