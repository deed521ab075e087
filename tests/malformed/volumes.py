"""Scans whose files are damaged, hostile, or hold what no scan is."""

from __future__ import annotations

import gzip
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from .corpus import Command, Malformed, Place

SHAPE = (12, 10, 6)
INTENSITIES = np.random.default_rng(3).uniform(0, 900, SHAPE).astype(np.float32)
Damage = Callable[[Path], None]


def scan(path: Path, voxels: Any = INTENSITIES, affine: Any = None, **header: Any) -> None:
    """Write a scan; then set fields of its header to values that nibabel would not write."""
    image = nibabel.Nifti1Image(voxels, np.eye(4) if affine is None else affine, dtype=voxels.dtype)
    nibabel.save(image, path)
    if header:
        patch(path, **header)


def patch(path: Path, **fields: Any) -> None:
    """Overwrite fields of a header, whatever they mean."""
    packed = path.name.endswith(".gz")
    content = bytearray(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
    header = nibabel.Nifti1Header(bytes(content[:348]), check=False)
    for name, value in fields.items():
        header.structarr[name] = value
    content[:348] = header.binaryblock
    path.write_bytes(gzip.compress(bytes(content), 1) if packed else bytes(content))


def _unplaced(path: Path, **header: Any) -> None:
    scan(path, **{"sform_code": 0, "qform_code": 1, **header})


def _cut(path: Path, keep: int) -> None:
    scan(path)
    content = path.read_bytes()
    path.write_bytes(content[:keep] if keep >= 0 else content[: len(content) + keep])


def _bomb(path: Path, gibibytes: int, **header: Any) -> None:
    """A file of a few kilobytes that unpacks to gigabytes of zeros: gzip members follow each other."""
    scan(path.with_suffix(""), **header)
    start = gzip.compress(path.with_suffix("").read_bytes()[:352])
    path.with_suffix("").unlink()
    path.write_bytes(start + gzip.compress(bytes(2**26), 9) * (16 * gibibytes))


def _extension(path: Path, length: int) -> None:
    scan(path.with_suffix(""))
    content = bytearray(path.with_suffix("").read_bytes())
    path.with_suffix("").unlink()
    content[108:112] = struct.pack("<f", 416)
    content[348:352] = b"\1\0\0\0"
    content[352:352] = struct.pack("<ii", length, 6) + bytes(56)
    path.write_bytes(gzip.compress(bytes(content)))


def _values(*values: float, dtype: str = "float32") -> Damage:
    def damage(path: Path) -> None:
        voxels = INTENSITIES.astype(dtype)
        voxels.flat[: len(values)] = values
        scan(path, voxels)

    return damage


def _columns(**changed: Any) -> Damage:
    def damage(path: Path) -> None:
        scan(path, **changed)

    return damage


def _cuts() -> Iterator[tuple[str, Damage, str]]:
    for ending in (".nii", ".nii.gz"):
        for keep in (0, 1, 20, 100, -300, -1):
            yield f"cut at {keep}{ending}", lambda path, keep=keep: _cut(path, keep), "again"
        for keep in (347, 348, 351, 352, 400):
            if ending == ".nii":
                yield f"cut at {keep}{ending}", lambda path, keep=keep: _cut(path, keep), "again"


def _strangers() -> Iterator[tuple[str, Damage, str]]:
    contents = {
        "text": b"x,y\n1,2\n" * 100,
        "png": b"\x89PNG\r\n\x1a\n" + bytes(600),
        "zip": b"PK\x03\x04" + bytes(600),
        "dicom": bytes(128) + b"DICM" + bytes(600),
        "random": np.random.default_rng(0).bytes(2000),
        "zeros": bytes(2000),
        "pickle": b"\x80\x04\x95" + bytes(600),
        "html": b"<!doctype html><title>404 not found</title>" * 20,
        "git annex": b"/annex/objects/SHA256E-s1000--abc.nii.gz\n",
        "git lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n" * 8,
    }
    for name, content in contents.items():
        for ending in (".nii", ".nii.gz"):
            yield f"{name}{ending}", lambda path, content=content: _write(path, content), "NIfTI"
        yield (
            f"{name}, packed.nii.gz",
            lambda path, content=content: _write(path, gzip.compress(content)),
            "NIfTI",
        )


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _shapes() -> Iterator[tuple[str, Damage, str]]:
    for dim in ([2, 12, 60], [1, 720], [4, 12, 10, 6, 3], [4, 12, 10, 6, 1], [5, 12, 10, 1, 1, 6]):
        filled = np.array([*dim, *([1] * (8 - len(dim)))])
        yield f"dim {dim}.nii", _columns(dim=filled), "three-dimensional"
    for axes in (0, 8, -1, 300):
        yield f"dim[0] {axes}.nii.gz", _columns(dim=np.array([axes, 12, 10, 6, 1, 1, 1, 1])), ""
    for axis in range(3):
        for size in (0, -5):
            dim = np.array([3, 12, 10, 6, 1, 1, 1, 1])
            dim[1 + axis] = size
            yield f"dim[{axis + 1}] {size}.nii", _columns(dim=dim), "empty"


def _types() -> Iterator[tuple[str, Damage, str]]:
    for code in (0, 1, 3, 255, 9999, -1):
        yield f"datatype {code}.nii", _columns(datatype=code), "datatype"
    colours = np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    yield "colours.nii.gz", lambda path: scan(path, colours), "not scalar intensities"
    for kind in ("complex64", "complex128"):
        yield f"{kind}.nii.gz", lambda path, kind=kind: scan(path, INTENSITIES.astype(kind)), "datatype"


def _places() -> Iterator[tuple[str, Damage, str]]:
    pixdim = np.array([1, 1, 1, 1, 1, 0, 0, 0], np.float32)
    for axis in (1, 2, 3):
        for value in (0, np.nan, np.inf, -np.inf):
            odd = pixdim.copy()
            odd[axis] = value
            yield f"pixdim[{axis}] {value}.nii", lambda p, odd=odd: _unplaced(p, pixdim=odd), "pixdim"
    odd = pixdim.copy()
    odd[2] = 0
    yield "no place, pixdim 0.nii.gz", lambda p: _unplaced(p, qform_code=0, pixdim=odd), "pixdim"
    for field in ("quatern_b", "quatern_c", "quatern_d"):
        for value in (np.nan, 2.0):
            yield f"{field} {value}.nii", lambda p, f=field, v=value: _unplaced(p, **{f: v}), "quatern"
    yield "qoffset nan.nii", lambda p: _unplaced(p, qoffset_x=np.nan), "affine"
    for row in ("srow_x", "srow_y", "srow_z"):
        yield f"{row} 0.nii", _columns(**{row: [0, 0, 0, 0]}), "header"
        yield f"{row} nan.nii", _columns(**{row: [np.nan, 0, 0, 0]}), "affine"
        yield f"{row} inf.nii", _columns(**{row: [0, np.inf, 0, 0]}), "affine"
    yield "two axes alike.nii", _columns(srow_x=[1, 1, 0, 0], srow_y=[0, 0, 0, 0]), "header"
    yield "flat.nii", _columns(srow_x=[1, 1, 0, 0], srow_y=[1, 1.0001, 0, 0]), "direction"
    yield "no extent.nii", _columns(srow_x=[0, 0, 0, 1], srow_y=[0, 0, 0, 1], srow_z=[0, 0, 0, 1]), "spacing"


def _huge() -> Iterator[tuple[str, Damage, str]]:
    for shape in ((32767, 32767, 32767), (4000, 4000, 4000), (2000, 1000, 1000), (1, 1, 32767)):
        for ending in (".nii", ".nii.gz"):
            dim = np.array([3, *shape, 1, 1, 1, 1])
            word = "damaged" if shape[0] == 1 else "dim"
            yield f"{shape}{ending}", _columns(dim=dim), word
    for offset in (1e30, -1.0, np.nan, np.inf, 1e9):
        yield f"vox_offset {offset}.nii.gz", _columns(vox_offset=offset), "vox_offset"
    yield "vox_offset 9000.nii", _columns(vox_offset=9000), "again"
    for length in (0, 7, -16, 2**31 - 1, 1000):
        yield f"extension {length}.nii.gz", lambda p, n=length: _extension(p, n), "extension"
    big = np.array([3, 1024, 1024, 1024, 1, 1, 1, 1])
    yield "bomb.nii.gz", lambda p: _bomb(p, 4, dim=big), "dim"
    yield "bomb before the voxels.nii.gz", lambda p: _bomb(p, 4, vox_offset=4e9), "vox_offset"


def _contents() -> Iterator[tuple[str, Damage, str]]:
    yield "one NaN.nii.gz", _values(np.nan), "1 voxels are NaN or infinite"
    yield "all NaN.nii", lambda path: scan(path, np.full(SHAPE, np.nan, np.float32)), "720 voxels"
    yield "infinite.nii.gz", _values(np.inf, -np.inf), "2 voxels"
    yield "beyond float32.nii.gz", _values(1e300, dtype="float64"), "1 voxels"
    yield "NaN of float64.nii", _values(np.nan, dtype="float64"), "1 voxels"
    for slope, inter in ((np.inf, 0), (1, np.inf), (2, np.nan), (1e38, 0)):
        name = f"slope {slope}, intercept {inter}.nii"
        yield name, _columns(scl_slope=slope, scl_inter=inter), ""
    for magic in (b"\0\0\0\0", b"ni1\0", b"XXXX", b"n+3\0"):
        yield f"magic {magic.hex()}.nii", _columns(magic=magic), "magic"
    for size in (0, 100, 540, 2**30):
        yield f"sizeof_hdr {size}.nii", _columns(sizeof_hdr=size), "NIfTI"


def _odd_files() -> Iterator[tuple[str, Damage, str]]:
    yield "folder.nii.gz", lambda path: path.mkdir(), "holds no .nii"
    yield "link to nowhere.nii.gz", lambda path: path.symlink_to("gone"), "no such file"
    yield "link to itself.nii.gz", lambda path: path.symlink_to(path.name), ""
    yield "pipe.nii.gz", lambda path: os.mkfifo(path), "no such file"
    yield "absent.nii.gz", lambda path: None, "no such file"
    yield f"{'long' * 100}.nii.gz", lambda path: None, "long"


def _all() -> Iterator[tuple[str, Damage, str]]:
    for family in (
        _cuts,
        _strangers,
        _shapes,
        _types,
        _places,
        _huge,
        _contents,
        _odd_files,
    ):
        yield from family()


def _case(name: str, damage: Damage, word: str) -> Malformed:
    ending = ".nii.gz" if name.endswith(".gz") else ".nii"
    file = f"{name.removesuffix(ending)[:240]}_hrT2{ending}".replace("/", "-") if len(name) < 200 else name

    def make(place: Place) -> Command:
        path = place.folder / file
        damage(path)
        return ["segment", place.run, path, place.out]

    return Malformed(name, make, (file[:60], word))


SCANS = [_case(*one) for one in _all()]


def _constant(path: Path) -> None:
    scan(path, np.full(SHAPE, 7, np.float32))


def _in_dataset(name: str, damage: Damage, word: str) -> Malformed:
    """A scan that can be read, but is of no use: for the check of a dataset."""

    def make(place: Place) -> Command:
        root = place.copy(place.dataset)
        path = next(root.rglob("*ldn_2_ceT1.nii.gz"))
        path.unlink()
        damage(path)
        return place.check(root)

    return Malformed(name, make, ("ldn_2_ceT1.nii.gz", word))


CHECKED_SCANS = [
    _in_dataset("constant", _constant, "same intensity"),
    _in_dataset("all zero", lambda path: scan(path, np.zeros(SHAPE, np.int16)), "same intensity"),
    _in_dataset("NaN", _values(np.nan), "NaN"),
    _in_dataset("other size", lambda path: scan(path, INTENSITIES[:8]), "voxels"),
    _in_dataset(
        "moved", lambda path: scan(path, affine=np.diag([1, 1, 1, 1]) + np.eye(4, k=3) * 9), "mm away"
    ),
    _in_dataset("other spacing", lambda path: scan(path, affine=np.diag([2.0, 1, 1, 1])), "mm away"),
    _in_dataset("flipped", lambda path: scan(path, affine=np.diag([-1.0, 1, 1, 1])), "mm away"),
    _in_dataset("qform of NaN", lambda path: _unplaced(path, quatern_b=np.nan), "quatern"),
    _in_dataset("link to nowhere", lambda path: path.symlink_to("gone"), "no such file"),
]
