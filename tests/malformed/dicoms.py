"""DICOM series and structure sets that are incomplete, mixed or damaged."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGLosslessSV1, RLELossless, generate_uid

from .corpus import Command, Malformed, Place

Damage = Callable[[Path], object]
"""Damages a collection of one patient with one series of ceT1 and contours on it."""


def series(root: Path) -> list[Path]:
    """Slices, from foot to head."""
    return sorted(root.rglob("1-t1*/*.dcm"))


def structures(root: Path) -> Path:
    """File of the contours."""
    return next(root.rglob("2-RTSTRUCT/*.dcm"))


def changed(path: Path, change: Callable[[Any], object]) -> None:
    """Read a file, change it, and write it without asking whether it is still valid."""
    content = pydicom.dcmread(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        change(content)
        content.save_as(path)


def _slice(change: Callable[[Any], object], which: int = 2) -> Damage:
    return lambda root: changed(series(root)[which], change)


def _every(change: Callable[[Any], object]) -> Damage:
    return lambda root: [changed(path, change) for path in series(root)]


def _set(**values: Any) -> Callable[[Any], object]:
    def change(content: Any) -> None:
        for name, value in values.items():
            content[name].value = value

    return change


def _without(name: str) -> Callable[[Any], object]:
    return lambda content: delattr(content, name)


def _bytes(change: Callable[[bytes], bytes], which: int = 2) -> Damage:
    def damage(root: Path) -> None:
        path = series(root)[which]
        path.write_bytes(change(path.read_bytes()))

    return damage


def _syntax(uid: str) -> Callable[[Any], object]:
    def change(content: Any) -> None:
        content.file_meta.TransferSyntaxUID = uid
        if uid != DeflatedExplicitVRLittleEndian:
            content.PixelData = pydicom.encaps.encapsulate([b"no image"])
            content["PixelData"].is_undefined_length = True

    return change


def _contours(change: Callable[[Any], object]) -> Damage:
    return lambda root: changed(structures(root), change)


def _coordinates(values: Callable[[list[float]], list[Any]]) -> Damage:
    def change(content: Any) -> None:
        contour = content.ROIContourSequence[0].ContourSequence[0]
        contour.ContourData = values([float(value) for value in contour.ContourData])

    return _contours(change)


def _mixed(root: Path) -> None:
    """Slices of another series under the same identifier, in between."""
    first, second = series(root)[:2]
    places = [pydicom.dcmread(path).ImagePositionPatient for path in (first, second)]
    middle = [str((float(a) + float(b)) / 2)[:16] for a, b in zip(*places, strict=True)]
    copy = first.with_name("copy.dcm")
    copy.write_bytes(first.read_bytes())
    changed(copy, _set(ImagePositionPatient=middle, SOPInstanceUID=generate_uid()))


def _twice(root: Path) -> None:
    first = series(root)[1]
    first.with_name("again.dcm").write_bytes(first.read_bytes())


def _lonely(root: Path) -> None:
    for path in series(root)[1:]:
        path.unlink()


def _two_series(root: Path) -> None:
    other = generate_uid()
    structures(root).unlink()
    for path in series(root):
        copy = path.with_name(f"other-{path.name}")
        copy.write_bytes(path.read_bytes())
        changed(copy, _set(SeriesInstanceUID=other))


def _two_patients(root: Path) -> None:
    """Names that become one in file names."""
    for number, path in enumerate(series(root)):
        changed(path, _set(PatientID="a b" if number % 2 else "a/b"))


def _damages() -> Iterator[tuple[str, Damage, str]]:
    for name in (
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "Rows",
        "Columns",
        "PatientID",
        "SeriesInstanceUID",
        "PixelData",
        "BitsAllocated",
        "PixelRepresentation",
        "SamplesPerPixel",
        "PhotometricInterpretation",
    ):
        yield f"no {name}", _slice(_without(name)), ""
    yield "no Modality", _every(_without("Modality")), "no MR series"
    yield "no SeriesDescription", _every(_without("SeriesDescription")), "--series"
    yield "other SeriesDescription", _every(_set(SeriesDescription="localizer")), "localizer"
    for name, value in (
        ("PixelSpacing", ["0", "0"]),
        ("PixelSpacing", ["1"]),
        ("PixelSpacing", ["1", "1", "1"]),
        ("PixelSpacing", None),
        ("PixelSpacing", ["7", "7"]),
        ("ImagePositionPatient", ["0", "0"]),
        ("ImagePositionPatient", None),
        ("ImagePositionPatient", ["1e40", "1e40", "1e40"]),
        ("ImageOrientationPatient", ["1", "0", "0"]),
        ("ImageOrientationPatient", ["0", "0", "1", "0", "1", "0"]),
        ("ImageOrientationPatient", None),
        ("Rows", 5),
        ("Rows", 0),
        ("Columns", 65535),
        ("BitsAllocated", 12),
        ("SamplesPerPixel", 3),
        ("PatientID", ""),
        ("PatientID", None),
    ):
        yield f"{name} {value}", _slice(_set(**{name: value})), "1-003.dcm"
    yield "PixelSpacing 0 everywhere", _every(_set(PixelSpacing=["0", "0"])), "spacing"
    yield "orientation 0 everywhere", _every(_set(ImageOrientationPatient=["0"] * 6)), "header"
    yield "orientation flat", _every(_set(ImageOrientationPatient=["1", "0", "0"] * 2)), "header"
    yield "all in one place", _every(_set(ImagePositionPatient=["0", "0", "0"])), "header"
    yield "65535 x 65535", _every(_set(Rows=65535, Columns=65535)), "Rows, Columns"
    yield "gap", lambda root: series(root)[3].unlink(), "mm apart"
    yield "mixed", _mixed, "mm apart"
    yield "slice twice", _twice, "mm apart"
    yield "one slice", _lonely, "1 slice"
    yield "two series", _two_series, "2 series fit"
    yield "two patients", _two_patients, "one name"
    yield "JPEG", _every(_syntax(JPEGLosslessSV1)), "gdcmconv"
    yield "RLE", _every(_syntax(RLELossless)), "gdcmconv"
    yield "deflated", _every(_syntax(DeflatedExplicitVRLittleEndian)), "deflated"
    yield "multi-frame", _every(lambda c: setattr(c, "NumberOfFrames", 4)), "1-0"
    yield "RescaleSlope of words", _slice(lambda c: setattr(c, "RescaleSlope", "nan")), "RescaleSlope"
    for keep in (132, 140, 300, 700):
        yield f"cut at {keep}", _bytes(lambda b, n=keep: b[:n]), ""
    yield "cut in the pixels", _bytes(lambda b: b[:-100]), "1-003.dcm"
    yield "cut before the pixels", _bytes(lambda b: b[:-500]), ""
    yield "random", _bytes(lambda b: b[:132] + np.random.default_rng(0).bytes(4000)), ""
    yield "zeros", _bytes(lambda b: b[:132] + bytes(4000)), ""
    yield "nothing", lambda root: [path.unlink() for path in root.rglob("*.dcm")], "no MR series"
    yield "text", _every_file(b"Data usage agreement"), "no MR series"


def _every_file(content: bytes) -> Damage:
    return lambda root: [path.write_bytes(content) for path in root.rglob("*.dcm")]


def _rt_damages() -> Iterator[tuple[str, Damage, str]]:
    yield "NaN", _coordinates(lambda v: ["nan", *v[1:]]), ""
    yield "infinite", _coordinates(lambda v: ["1e400", *v[1:]]), ""
    yield "odd number", _coordinates(lambda v: v[:-1]), "RTSTRUCT"
    yield "far away", _coordinates(lambda v: [x + 1e4 for x in v]), "no slice"
    yield (
        "between slices",
        _coordinates(lambda v: [x + (0.9 if i % 3 == 2 else 0) for i, x in enumerate(v)]),
        "no slice",
    )
    yield "words", _contours(lambda c: setattr(c.StructureSetROISequence[0], "ROINumber", None)), "RTSTRUCT"
    yield "no region", _contours(lambda c: setattr(c, "ROIContourSequence", [])), "no region"
    yield "regions gone", _contours(_without("ROIContourSequence")), "no region"
    yield "names gone", _contours(_without("StructureSetROISequence")), "no region"
    yield "unknown names", _contours(_renamed), "'Men'"
    yield "no type", _contours(_untyped), "RTSTRUCT"
    yield "of another series", _contours(_elsewhere), "refers to this series"
    yield "no reference", _contours(_without("ReferencedFrameOfReferenceSequence")), "refers to this series"
    yield "gone", lambda root: structures(root).unlink(), "refers to this series"
    yield "cut", lambda root: structures(root).write_bytes(structures(root).read_bytes()[:900]), ""
    yield "too many points", _coordinates(lambda v: ["1"] * 30_003), "points"


def _renamed(content: Any) -> None:
    for region in content.StructureSetROISequence:
        region.ROIName = "Men"


def _untyped(content: Any) -> None:
    del content.ROIContourSequence[0].ContourSequence[0].ContourGeometricType


def _elsewhere(content: Any) -> None:
    study = content.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    study.RTReferencedSeriesSequence = [Dataset()]
    study.RTReferencedSeriesSequence[0].SeriesInstanceUID = generate_uid()


def _case(name: str, damage: Damage, word: str) -> Malformed:
    def make(place: Place) -> Command:
        root = place.copy(place.dicom)
        damage(root)
        return ["data", "convert", root, place.out]

    return Malformed(name, make, (word,))


def _piped(root: Path) -> None:
    os.mkfifo(root / "pipe.dcm")
    series(root)[3].unlink()


DICOMS = [_case(*one) for one in _damages()]
RTSTRUCTS = [_case(f"RTSTRUCT {name}", damage, word) for name, damage, word in _rt_damages()]
"""The scans of these are converted; what is wrong with their contours is said, and the exit status is 1."""

DICOMS.append(_case("pipe", _piped, "mm apart"))
