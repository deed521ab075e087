"""Converts DICOM series with RTSTRUCT contours into NIfTI files and a manifest."""

from cmda_core.datasets.dicom.convert import Conversion, convert_dicom

__all__ = ["Conversion", "convert_dicom"]
