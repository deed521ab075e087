"""Volumes with their place in the scanner: the type, the geometry, the files."""

from cmda_core.volumes.geometry import Grid, require_same_grid
from cmda_core.volumes.nifti import open_slices, read_grid, read_labels, read_volume, write_volume
from cmda_core.volumes.volume import LabelVolume, Volume

__all__ = [
    "Grid",
    "LabelVolume",
    "Volume",
    "open_slices",
    "read_grid",
    "read_labels",
    "read_volume",
    "require_same_grid",
    "write_volume",
]
