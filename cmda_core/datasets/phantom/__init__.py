"""A physical phantom of vestibular schwannoma scans, in the folder layout of crossMoDA 2022."""

from cmda_core.datasets.phantom.dataset import write_phantom

__all__ = ["write_phantom"]
