"""Writes packages with a plugin in them: a start for one's own, which works and is tested."""

from cmda_core.scaffold.package import write_package

__all__ = ["write_package"]
