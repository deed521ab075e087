"""A physical phantom of vestibular schwannoma scans, in the layouts that people have on disk."""

from cmda_core.datasets.phantom.dataset import PAIRED_FOLDER, REFERENCE_FOLDER, write_phantom

__all__ = ["PAIRED_FOLDER", "REFERENCE_FOLDER", "write_phantom"]
