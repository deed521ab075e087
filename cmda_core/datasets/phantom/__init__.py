"""A physical phantom of vestibular schwannoma scans, in the layouts that people have on disk."""

from cmda_core.datasets.phantom.dataset import write_phantom

__all__ = ["write_phantom"]
