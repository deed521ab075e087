"""Writes phantoms as DICOM series with RTSTRUCT contours, as TCIA's Vestibular-Schwannoma-SEG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from contourpy import contour_generator
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage, RTStructureSetStorage, generate_uid

from cmda_core.datasets.dicom.series import LPS_TO_RAS
from cmda_core.datasets.phantom.plan import Plan, Scanned
from cmda_core.files import replacing
from cmda_core.volumes import LabelVolume, Volume
from cmda_core.volumes.geometry import Matrix, to_mm

COLLECTION = Path("manifest-1614264588831/Vestibular-Schwannoma-SEG")
REGION_NAMES: tuple[tuple[str, str], ...] = (("TV", "Cochlea"), ("tv", "cochlea"), ("AN", "Cochlea_c"))
"""Names of tumour and cochleae that are met in the collection, in turn."""


class DicomWriter:
    """A folder per patient; contours of all patients are there, as in the collection."""

    def case(self, plan: Plan) -> str:
        """Name of the case, once the collection is converted."""
        return patient(plan)

    def write_scan(self, out: Path, scanned: Scanned) -> None:
        """Write one file per slice, and one with the contours."""
        plan = scanned.plan
        series = _uid(plan, "series")
        study = out / COLLECTION / patient(plan) / "01-01-1990-NA-MRI"
        word = "t1_mpr_tra_iso_dfs" if plan.modality == "ceT1" else "t2_ci3d_tra_1.5mm"
        for number in range(scanned.scan.voxels.shape[2]):
            _save(
                study / f"1-{word}" / f"1-{number + 1:03}.dcm",
                _slice(plan, scanned.scan, number, word, series),
            )
        _save(study / "2-RTSTRUCT" / "1-1.dcm", _structures(plan, scanned.labels, series))

    def write_tables(self, out: Path, plans: Sequence[Plan]) -> None:
        """The collection has no tables that matter here."""


def patient(plan: Plan) -> str:
    """Name of the patient."""
    return f"VS-SEG-{plan.number:03}"


def _uid(plan: Plan, *parts: str) -> str:
    """The same case gets the same identifiers."""
    return str(generate_uid(entropy_srcs=["cmda phantom", plan.case, *parts]))


def _file(plan: Plan, sop_class: str, instance: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(instance)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = UID(sop_class), UID(instance)
    file.PatientID = file.PatientName = patient(plan)
    file.StudyInstanceUID = _uid(plan, "study")
    file.FrameOfReferenceUID = _uid(plan, "frame")
    return file


def _slice(plan: Plan, scan: Volume, number: int, word: str, series: str) -> FileDataset:
    file = _file(plan, MRImageStorage, _uid(plan, "slice", str(number)))
    axes = LPS_TO_RAS @ scan.affine[:3, :3] / np.array(scan.spacing)
    place = LPS_TO_RAS @ to_mm(scan.affine, np.array([0.0, 0.0, float(number)]))
    file.Modality, file.SeriesDescription, file.SeriesInstanceUID = "MR", word, series
    file.InstanceNumber = number + 1
    file.ImageOrientationPatient = _decimals(np.concatenate([axes[:, 0], axes[:, 1]]))
    file.ImagePositionPatient = _decimals(place)
    file.PixelSpacing = _decimals(np.array([scan.spacing[1], scan.spacing[0]]))
    file.SliceThickness = _decimals(np.array([scan.spacing[2]]))[0]
    pixels = scan.voxels[:, :, number].T
    file.Rows, file.Columns = pixels.shape
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 16, 15, 0
    file.PixelData = pixels.clip(0, 65535).astype("<u2").tobytes()
    return file


def _structures(plan: Plan, labels: LabelVolume, series: str) -> FileDataset:
    file = _file(plan, RTStructureSetStorage, _uid(plan, "structures"))
    file.Modality, file.SeriesInstanceUID = "RTSTRUCT", _uid(plan, "structure series")
    file.StructureSetLabel = "phantom"
    file.ReferencedFrameOfReferenceSequence = [_reference(plan, series)]
    names = REGION_NAMES[plan.number % len(REGION_NAMES)]
    file.StructureSetROISequence = [
        _item(ROINumber=label, ROIName=name, ReferencedFrameOfReferenceUID=_uid(plan, "frame"))
        for label, name in enumerate(names, 1)
    ]
    file.ROIContourSequence = [
        _item(ReferencedROINumber=label, ContourSequence=list(_contours(labels, label)))
        for label in range(1, len(names) + 1)
    ]
    return file


def _reference(plan: Plan, series: str) -> Dataset:
    study = _item(
        ReferencedSOPInstanceUID=_uid(plan, "study"),
        RTReferencedSeriesSequence=[_item(SeriesInstanceUID=series)],
    )
    return _item(FrameOfReferenceUID=_uid(plan, "frame"), RTReferencedStudySequence=[study])


def _contours(labels: LabelVolume, label: int) -> Iterator[Dataset]:
    """Polygons half way between the centres of the voxels inside and outside."""
    mask = labels.voxels == label
    for k in np.flatnonzero(mask.any(axis=(0, 1))):
        padded = np.pad(mask[:, :, k].astype(np.float64), 1)
        for line in contour_generator(z=padded.T).lines(0.5):
            index = np.column_stack([np.asarray(line) - 1, np.full(len(line), float(k))])[:-1]
            points = to_mm(labels.affine, index) @ LPS_TO_RAS
            yield _item(
                ContourGeometricType="CLOSED_PLANAR",
                NumberOfContourPoints=len(points),
                ContourData=_decimals(points.ravel()),
            )


def _item(**values: Any) -> Dataset:
    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return item


def _decimals(values: Matrix) -> list[str]:
    """DICOM stores decimal numbers as at most 16 characters."""
    return [f"{value:.7g}" for value in values.tolist()]


def _save(path: Path, file: FileDataset) -> None:
    with replacing(path) as temporary:
        file.save_as(temporary, enforce_file_format=True)
