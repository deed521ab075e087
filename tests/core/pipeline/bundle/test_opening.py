"""A bundle that is damaged, unsafe or made for other plugins is refused before anything of it is used."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import cmda_toy
import numpy as np
import pytest

from cmda_core.errors import DataError, OutputError, RunError
from cmda_core.hookspecs import SegmenterOffer, hookimpl
from cmda_core.pipeline.opening import opened_chain
from cmda_core.registry import Registry

Edit = Callable[[Callable[[dict[str, Any]], object]], Path]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where bundles are unpacked; nothing is left there, however a test ends."""
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place
    assert list(place.iterdir()) == []


def refuse(bundle: Path, registry: Registry, match: str) -> None:
    with pytest.raises(DataError, match=match), opened_chain(bundle, registry):
        pytest.fail("a bundle was opened that must not be")


def zipped(folder: Path, **members: bytes) -> Path:
    """The folder's files as a zip, and more members."""
    path = folder.with_suffix(".zip")
    with ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder).as_posix())
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_an_intact_bundle_opens_as_file_and_as_folder(
    exported: Path, folder: Path, registry: Registry, temporary: Path
) -> None:
    for bundle in (exported, folder, zipped(folder)):
        with opened_chain(bundle, registry, {"device": "cpu"}) as chain:
            assert chain.translator is not None
            assert chain.runtime.device == "cpu"
            assert len(list(temporary.iterdir())) == 1


def test_what_was_verified_does_not_change_afterwards(folder: Path, registry: Registry) -> None:
    with opened_chain(folder, registry, {"device": "cpu"}) as chain:
        (folder / "preprocessor" / "peak.json").write_text("-1")
        assert chain.preprocessor.peak > 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_changed_file_is_refused(kind: str, folder: Path, registry: Registry) -> None:
    peak = folder / "preprocessor" / "peak.json"
    peak.write_text(peak.read_text().replace("1", "2", 1))
    bundle = zipped(folder) if kind == "file" else folder
    refuse(bundle, registry, r"'preprocessor/peak\.json' has another checksum")


@pytest.mark.parametrize(("more", "fewer"), [("9" * 3_000_000, "longer"), ("", "shorter")])
def test_a_file_of_another_size_is_refused(more: str, fewer: str, folder: Path, registry: Registry) -> None:
    (folder / "preprocessor" / "peak.json").write_text(more)
    refuse(folder, registry, r"'preprocessor/peak\.json' is not of the \d+ bytes")


def test_a_missing_file_is_refused(folder: Path, registry: Registry) -> None:
    (folder / "preprocessor" / "peak.json").unlink()
    refuse(folder, registry, r"'preprocessor/peak\.json' is missing")


def test_an_unlisted_file_is_refused(folder: Path, registry: Registry) -> None:
    (folder / "preprocessor" / "more.json").write_text("{}")
    refuse(folder, registry, r"'preprocessor/more\.json' is not listed")


def test_a_bundle_is_not_taken_for_a_run(folder: Path, registry: Registry) -> None:
    (folder / "experiment.yaml").write_text("name: mine\n")
    refuse(folder, registry, r"'experiment\.yaml' is not listed")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "a bundle of version 2, and this cmda reads version 1"),
        ({"format": "wheel"}, "of format 'wheel'"),
        ({"parts": []}, "must have one preprocessor"),
        ({"more": 1}, "more: Extra inputs are not permitted"),
    ],
    ids=str,
)
def test_a_manifest_that_is_not_known(
    change: dict[str, object], message: str, edited: Edit, registry: Registry
) -> None:
    refuse(edited(lambda manifest: manifest.update(change)), registry, message)


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000, '{"format": "cmda-bundle"}'])
def test_a_manifest_that_is_none(content: str, folder: Path, registry: Registry) -> None:
    (folder / "bundle.json").write_text(content)
    refuse(folder, registry, r"bundle\.json cannot be used")


def test_a_manifest_that_is_too_large(folder: Path, registry: Registry) -> None:
    (folder / "bundle.json").write_bytes(b" " * (16 * 2**20 + 1))
    refuse(folder, registry, r"bundle\.json is larger than")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../evil.json", "leads out of the bundle's folder"),
        ("preprocessor/../../evil.json", "leads out of the bundle's folder"),
        ("/etc/evil.json", "leads out of the bundle's folder"),
        ("C:/evil.json", "leads out of the bundle's folder"),
        ("preprocessor\\..\\evil.json", "leads out of the bundle's folder"),
        ("preprocessor//evil.json", "is not a name of a file"),
        ("preprocessor/./evil.json", "is not a name of a file"),
        ("preprocessor/ev\nil.json", "is not a name of a file"),
        (f"preprocessor/{'e' * 250}.json", "too long a name"),
        ("preprocessor/evil.pkl", "a bundle takes"),
        ("evil.json", "belongs to no part"),
        ("Preprocessor/evil.json", "belongs to no part"),
        ("preprocessor/PEAK.json", "a file is there twice"),
    ],
)
def test_names_that_a_manifest_must_not_list(
    name: str, message: str, edited: Edit, registry: Registry
) -> None:
    stored = {"size": 0, "sha256": hashlib.sha256(b"").hexdigest()}
    refuse(edited(lambda manifest: manifest["files"].update({name: stored})), registry, message)


@pytest.mark.parametrize("entry", ["../..", "/tmp/evil", "a/../../b"])  # noqa: S108  # never made
def test_parts_that_lie_outside(entry: str, edited: Edit, registry: Registry) -> None:
    refuse(edited(lambda manifest: manifest["parts"][-1].update({"entry": entry})), registry, "leads out of")


@pytest.mark.parametrize("name", ["../evil.json", "/evil.json", "translator/../../evil.json", "a\\b.json"])
def test_members_of_a_zip_that_lead_out_of_it(
    name: str, folder: Path, registry: Registry, tmp_path: Path
) -> None:
    refuse(zipped(folder, **{name: b"{}"}), registry, "leads out of the bundle's folder")
    assert list(tmp_path.rglob("evil.json")) == []


def test_a_member_that_is_there_twice(folder: Path, registry: Registry) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        bundle = zipped(folder, **{"preprocessor/peak.json": b"1"})
    refuse(bundle, registry, r"'preprocessor/peak\.json' is there twice")


def test_links_in_a_zip(folder: Path, registry: Registry) -> None:
    bundle = zipped(folder)
    link = ZipInfo("preprocessor/link.json")
    link.external_attr = 0o120777 << 16
    with ZipFile(bundle, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    refuse(bundle, registry, r"'preprocessor/link\.json' is a link")


@pytest.mark.parametrize("what", ["file", "folder"])
def test_links_in_a_folder(what: str, folder: Path, registry: Registry, tmp_path: Path) -> None:
    inside = folder / "preprocessor" / "peak.json" if what == "file" else folder / "preprocessor"
    outside = tmp_path / "outside"
    shutil.move(inside, outside)
    inside.symlink_to(outside)
    refuse(folder, registry, "is a link or a device")


def test_a_pipe_in_a_folder_is_not_waited_for(folder: Path, registry: Registry) -> None:
    os.mkfifo(folder / "preprocessor" / "pipe.json")
    refuse(folder, registry, "is a link or a device")


def test_a_zip_bomb(folder: Path, registry: Registry) -> None:
    bundle = folder.with_suffix(".zip")
    with ZipFile(bundle, "w", ZIP_DEFLATED) as archive:
        archive.writestr("bundle.json", (folder / "bundle.json").read_bytes())
        archive.writestr("translator/weights.safetensors", bytes(50 * 2**20))
    assert bundle.stat().st_size < 2**20
    refuse(bundle, registry, "is compressed")


def test_members_that_share_their_bytes(folder: Path, registry: Registry) -> None:
    """Many entries of the directory that lead to one large member, as in the bombs without nesting."""
    bundle = zipped(folder, **{"translator/large.json": bytes(2**20)})
    content = bundle.read_bytes()
    with ZipFile(bundle) as archive:
        start, count = archive.start_dir, len(archive.infolist())
    end = content.rindex(b"PK\x05\x06")
    large = content.index(b"PK\x01\x02", content.rindex(b"translator/weights.safetensors"))
    entry = content[large:end]
    copies = b"".join(entry.replace(b"large", f"lar{n:02}".encode()) for n in range(50))
    directory = content[start:end] + copies
    closing = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count + 50, count + 50, len(directory), start, 0)
    bundle.write_bytes(content[:start] + directory + closing)
    with ZipFile(bundle) as archive:
        assert len(archive.infolist()) == count + 50
    refuse(bundle, registry, "claim to be larger than the bundle itself")


def test_more_than_there_is_room_for(edited: Edit, registry: Registry) -> None:
    stored = {"size": 2**60, "sha256": "0" * 64}
    bundle = edited(lambda manifest: manifest["files"].update({"preprocessor/peak.json": stored}))
    with (
        pytest.raises(OutputError, match="MiB are needed to unpack the bundle"),
        opened_chain(bundle, registry),
    ):
        pass


def test_any_damage_of_a_zip_is_an_error_for_people(
    exported: Path, registry: Registry, tmp_path: Path
) -> None:
    content = exported.read_bytes()
    draw = np.random.default_rng(0)
    bundle = tmp_path / "damaged.cmda"
    for _ in range(150):
        damaged = bytearray(content)
        for position in draw.integers(0, len(content), 3):
            damaged[position] ^= int(draw.integers(1, 256))
        bundle.write_bytes(damaged[: int(draw.integers(len(content) // 2, len(content) * 2))])
        try:
            with opened_chain(bundle, registry, {"device": "cpu"}) as chain:
                chain.translator  # noqa: B018  # what is opened must work, as where only a date was damaged
        except DataError as error:
            assert str(bundle) in str(error)  # noqa: PT017  # either outcome is right


def test_plugins_that_are_not_installed(exported: Path) -> None:
    refuse(
        exported, Registry(), "needs the preprocessor 'toy' of cmda_toy, version 1, which is not installed"
    )


def test_plugins_of_another_version(exported: Path, registry: Registry) -> None:
    class Newer:
        @hookimpl
        def offer_segmenters(self) -> list[SegmenterOffer]:
            return [
                SegmenterOffer(
                    name="toy",
                    summary="a toy",
                    config=cmda_toy.ToyConfig,
                    reference="none",
                    version="2",
                    build=lambda config, task: cmda_toy.ToySegmenter(),
                    load=lambda folder: cmda_toy.ToySegmenter(),
                )
            ]

    class Older:
        offer_preprocessors = staticmethod(cmda_toy.offer_preprocessors)
        offer_translators = staticmethod(cmda_toy.offer_translators)
        offer_graders = staticmethod(cmda_toy.offer_graders)

    mixed = Registry()
    mixed.add(Newer(), "newer")
    mixed.add(Older(), "older")
    refuse(exported, mixed, "made with version 1 of the segmenter 'toy'.*and version 2 is installed")


def test_parts_of_which_the_experiment_knows_nothing(edited: Edit, registry: Registry) -> None:
    bundle = edited(lambda manifest: manifest["parts"][2].update({"entry": "other"}))
    refuse(bundle, registry, "holds the segmenter 'toy' in 'segmenter/other', of which its experiment")


def test_what_is_no_bundle(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a zip")
    refuse(tmp_path / "notes.txt", registry, "is not a bundle, or is damaged")
    with ZipFile(tmp_path / "scans.zip", "w") as archive:
        archive.writestr("scan.nii", b"")
    refuse(tmp_path / "scans.zip", registry, r"it has no bundle\.json")
    with (
        pytest.raises(RunError, match=r"not a run .* and not a bundle"),
        opened_chain(tmp_path, registry),
    ):
        pass
