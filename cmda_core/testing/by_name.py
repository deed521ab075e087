"""Checks installed plugins by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from cmda_core.hookspecs import Offer
from cmda_core.progress import Progress
from cmda_core.registry import Kind, Registry
from cmda_core.testing.check import Outcome, run_checks
from cmda_core.testing.doors import checks_of


@dataclass(frozen=True, slots=True)
class Report:
    """What came of the checks of one plugin.

    Attributes:
        kind: Of the plugin.
        name: Of the plugin.
        outcomes: One per rule.
    """

    kind: Kind
    name: str
    outcomes: tuple[Outcome, ...]

    @property
    def broken(self) -> int:
        """Number of broken promises."""
        return sum(outcome.verdict == "broken" for outcome in self.outcomes)

    def as_json(self) -> dict[str, object]:
        """The same as JSON-like values."""
        return {
            "kind": self.kind,
            "name": self.name,
            "kept": not self.broken,
            "rules": [asdict(outcome) for outcome in self.outcomes],
        }


def check_installed(registry: Registry, name: str, kind: Kind | None, progress: Progress) -> list[Report]:
    """Check the installed plugins of a name, with their own tiny settings.

    Args:
        registry: The plugins.
        name: Name of the plugin.
        kind: Check that of this kind alone; all that have the name if left out.
        progress: Shows how far the checks are.

    Raises:
        UnknownPluginError: If there is none.
    """
    found: Mapping[Kind, Offer]
    found = dict(registry.named(name)) if kind is None else {kind: getattr(registry, kind)(name)}
    return [
        Report(each, name, tuple(run_checks(checks_of(offer), progress, f"check {each} {name}")))
        for each, offer in found.items()
    ]
