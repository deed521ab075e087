"""Bundles that were damaged, or made to do harm."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA, ZIP_STORED, ZipFile, ZipInfo

from .corpus import Command, Malformed, Place

Damage = Callable[[Path], Path]
"""Damages a bundle that is a folder; returns what is then to be opened."""


def _manifest(change: Callable[[dict[str, Any]], object]) -> Damage:
    def damage(folder: Path) -> Path:
        path = folder / "bundle.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))
        return folder

    return damage


def _written(name: str, content: bytes) -> Damage:
    def damage(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder

    return damage


def _zipped(folder: Path, *more: tuple[str | ZipInfo, bytes], method: int = ZIP_STORED) -> Path:
    path = folder.with_name("damaged.zip")
    with ZipFile(path, "w", method) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder).as_posix())
        for name, content in more:
            archive.writestr(name, content)
    return path


def _member(name: str) -> Damage:
    return lambda folder: _zipped(folder, (name, b"{}"))


def _special(kind: int) -> Damage:
    info = ZipInfo("preprocessor/link.json")
    info.external_attr = kind << 16
    return lambda folder: _zipped(folder, (info, b"/etc/passwd"))


def _linked(folder: Path) -> Path:
    (folder / "preprocessor" / "link.json").symlink_to("/etc/passwd")
    return folder


def _piped(folder: Path) -> Path:
    os.mkfifo(folder / "translator" / "pipe.json")
    return folder


def _cut(share: float) -> Damage:
    def damage(folder: Path) -> Path:
        path = _zipped(folder)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        return path

    return damage


def _overwritten(content: bytes) -> Damage:
    """A model file that was changed by somebody who corrected the checksum too."""

    def damage(folder: Path) -> Path:
        manifest = json.loads((folder / "bundle.json").read_text())
        (folder / "preprocessor" / "peak.json").write_bytes(content)
        stored = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        manifest["files"]["preprocessor/peak.json"] = stored
        (folder / "bundle.json").write_text(json.dumps(manifest))
        return folder

    return damage


def _weights(content: bytes) -> Damage:
    def damage(folder: Path) -> Path:
        manifest = json.loads((folder / "bundle.json").read_text())
        (folder / "translator" / "weights.safetensors").write_bytes(content)
        stored = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        manifest["files"]["translator/weights.safetensors"] = stored
        (folder / "bundle.json").write_text(json.dumps(manifest))
        return folder

    return damage


def _stored(**changes: object) -> Damage:
    return _manifest(lambda m: m["files"]["preprocessor/peak.json"].update(changes))


def _damages() -> Iterator[tuple[str, Damage, str]]:
    for change in (
        {"version": 2},
        {"version": "1"},
        {"version": None},
        {"format": "wheel"},
        {"parts": []},
        {"parts": "all"},
        {"files": []},
        {"experiment": []},
        {"more": 1},
    ):
        yield f"manifest {change}", _manifest(lambda m, c=change: m.update(c)), "bundle"
    for content in (b"", b"[]", b"{", b"null", b"[" * 90_000, b"\xff\xfe", b" " * (17 * 2**20)):
        yield (
            f"manifest {content[:4]!r}, {len(content)} bytes",
            _written("bundle.json", content),
            "bundle.json",
        )
    yield "experiment", _manifest(lambda m: m["experiment"].update(nmae=1)), "nmae"
    yield (
        "experiment names",
        _manifest(lambda m: m["experiment"].update(task={"source": "../x"})),
        "task.source",
    )
    yield "plugin gone", _manifest(lambda m: m["parts"][0].update(plugin="gone")), "gone"
    yield "plugin of another version", _manifest(lambda m: m["parts"][0].update(version="9")), "version 9"
    yield "part outside", _manifest(lambda m: m["parts"][-1].update(entry="../..")), "leads out of"
    yield "size", _stored(size=3), "peak.json"
    yield "size below 0", _stored(size=-3), "size"
    yield "checksum", _stored(sha256="0" * 64), "checksum"
    yield "checksum of words", _stored(sha256="right"), "sha256"
    yield "no checksum", _manifest(lambda m: m["files"]["preprocessor/peak.json"].pop("sha256")), "sha256"
    yield "listed, not there", _manifest(lambda m: m["files"].pop("preprocessor/peak.json")), "peak.json"
    yield "there, not listed", _written("preprocessor/more.json", b"{}"), "more.json"
    yield "pickle", _written("preprocessor/model.pkl", b"\x80\x04."), "model.pkl"
    yield "changed", _written("preprocessor/peak.json", b"-1"), "peak.json"
    for name in (
        "../evil.json",
        "/evil.json",
        "a/../../evil.json",
        "C:\\evil.json",
        "a\\..\\evil.json",
        "a//b.json",
    ):
        yield f"member {name}", _member(name), "damaged.zip"
    for kind, name in ((0o120777, "link"), (0o020666, "device"), (0o010666, "pipe")):
        yield f"a {name} in a zip", _special(kind), "link.json"
    yield "a link", _linked, "link.json"
    yield "a pipe", _piped, "pipe.json"
    for method, name in ((ZIP_DEFLATED, "deflate"), (ZIP_BZIP2, "bzip2"), (ZIP_LZMA, "lzma")):
        yield f"packed by {name}", lambda folder, m=method: _zipped(folder, method=m), "compressed"
    for share in (0.0, 0.1, 0.5, 0.9, 0.999):
        yield f"cut at {share}", _cut(share), "damaged.zip"
    for content in (b"", b"{", b'"text"', b"{}", b"null", b"NaN", b"[" * 5000):
        yield f"model {content[:6]!r}", _overwritten(content), ""
    header = (2**40).to_bytes(8, "little")
    for content in (b"", header, header + b"{}", b"\x80\x04.", bytes(4096)):
        yield f"weights {content[:4]!r}, {len(content)} bytes", _weights(content), "weights.safetensors"


def _case(name: str, damage: Damage, word: str) -> Malformed:
    def make(place: Place) -> Command:
        bundle = damage(place.copy(place.bundle, "bundle"))
        scan = next(place.dataset.rglob("*ldn_211_hrT2.nii.gz"))
        return ["segment" if "weights" not in name else "translate", bundle, scan, place.out] + (
            ["--to", "ceT1"] if "weights" in name else []
        )

    return Malformed(name, make, ("toy" if name.startswith("model") else "", word))


BUNDLES = [_case(*one) for one in _damages()]
