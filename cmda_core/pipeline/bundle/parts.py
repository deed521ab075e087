"""Which plugins a chain is made of, and whether this machine has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cmda_core.errors import DataError
from cmda_core.hookspecs import Offer
from cmda_core.pipeline.bundle.manifest import Manifest, Part
from cmda_core.pipeline.plan import Plan
from cmda_core.registry import Kind, Registry


def chain_parts(plan: Plan, registry: Registry) -> Iterator[Part]:
    """Preprocessor, translator, segmenter of the method's own entry, and every grader."""

    def part(kind: Kind, offer: Offer, entry: str | None = None) -> Part:
        module = registry.source(kind, offer.name)
        return Part(kind=kind, entry=entry, plugin=offer.name, version=offer.version, module=module)

    yield part("preprocessor", plan.preprocessor.offer)
    yield part("translator", plan.translator.offer)
    yield part("segmenter", plan.segmenter.offer, plan.entry)
    for grader in plan.graders:
        yield part("grader", grader.offer, grader.offer.name)


def require_plugins(manifest: Manifest, registry: Registry, bundle: Path) -> None:
    """Refuse a bundle whose plugins are not installed in just the versions that it was made with.

    Raises:
        DataError: Naming the plugin and what to install.
    """
    offers = registry.offers()
    for part in manifest.parts:
        offer = offers[part.kind].get(part.plugin)
        origin = f" of {part.module}" if part.module else ""
        if offer is None:
            broken = [f"Plugin {name!r} failed to load: {error}" for name, error in registry.broken.items()]
            raise DataError(
                "\n".join(
                    [
                        f"{bundle}: needs the {part.kind} {part.plugin!r}{origin}, version {part.version}, "
                        "which is not installed. Install the package that offers it.",
                        *broken,
                    ]
                )
            )
        if offer.version != part.version:
            raise DataError(
                f"{bundle}: was made with version {part.version} of the {part.kind} {part.plugin!r}{origin}, "
                f"and version {offer.version} is installed. Install the release that it was made with "
                f"(cmda {manifest.cmda}), or export the run again."
            )


def require_agreement(manifest: Manifest, plan: Plan, registry: Registry, bundle: Path) -> None:
    """Refuse a bundle whose experiment speaks of other plugins than its parts.

    Raises:
        DataError: Naming the first part that does not fit.
    """
    expected = {part.folder: part.plugin for part in chain_parts(plan, registry)}
    for part in manifest.parts:
        if expected.get(part.folder) != part.plugin:
            raise DataError(
                f"{bundle}: holds the {part.kind} {part.plugin!r} in {part.folder!r}, of which its "
                "experiment knows nothing. Export the run again."
            )
