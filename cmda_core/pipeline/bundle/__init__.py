"""Bundles: a trained chain in one file or folder, for use where there is neither its run nor its data."""

from cmda_core.pipeline.bundle.export import Exported, export_bundle
from cmda_core.pipeline.bundle.opening import is_bundle, opened_bundle

__all__ = ["Exported", "export_bundle", "is_bundle", "opened_bundle"]
