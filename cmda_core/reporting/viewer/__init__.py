"""Pages of single cases: a scan slice by slice, in all its modalities, with every segmentation over it."""

from cmda_core.reporting.viewer.content import Role, ScanView, ViewedImage, ViewedLabels
from cmda_core.reporting.viewer.views import test_view, training_view
from cmda_core.reporting.viewer.writing import CaseLink, CasePage, write_case_pages

__all__ = [
    "CaseLink",
    "CasePage",
    "Role",
    "ScanView",
    "ViewedImage",
    "ViewedLabels",
    "test_view",
    "training_view",
    "write_case_pages",
]
