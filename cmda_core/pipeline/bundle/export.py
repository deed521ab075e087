"""Writes the trained chain of a run as a bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from cmda_core.errors import BrokenPluginError, NotTrainedError, OutputError
from cmda_core.files import replacing, replacing_folder
from cmda_core.pipeline.bundle.manifest import CHAIN, FORMAT, VERSION, Manifest, Part, StoredFile
from cmda_core.pipeline.bundle.names import MANIFEST, data_name
from cmda_core.pipeline.bundle.parts import chain_parts
from cmda_core.pipeline.bundle.portable import portable_experiment
from cmda_core.pipeline.bundle.steps import require_in_step
from cmda_core.pipeline.experiments import load_experiment
from cmda_core.pipeline.folder import RunFolder
from cmda_core.pipeline.plan import Plan, make_plan
from cmda_core.registry import Registry

ARCHIVE_ENDINGS = (".zip", ".cmda")
"""A bundle whose name ends so is one file; any other is a folder."""

_CHUNK = 2**20
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same run gives the same bytes whenever it is exported
_MODE = 0o100644 << 16

Create = Callable[[str, int], AbstractContextManager[IO[bytes]]]
"""Opens a new file of the bundle, by its name and size."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A bundle that was written.

    Attributes:
        path: The file or folder.
        parts: What is in it.
        size: Bytes of all files together.
        sha256: Of ``bundle.json``, which has the checksums of all others: compare it where the bundle
            is used to know that it is this one.
    """

    path: Path
    parts: tuple[Part, ...]
    size: int
    sha256: str


def export_bundle(run: Path, bundle: Path, *, registry: Registry) -> Exported:
    """Write preprocessor, translator, segmenter and the graders that are trained as a bundle.

    Args:
        run: A run that has trained a preprocessor, translator and segmenter.
        bundle: A name ending in ``.zip`` or ``.cmda`` becomes one file, any other a folder.
        registry: Where the run's plugins are looked up.

    Raises:
        RunError: If ``run`` is no run, is being worked in, or its models do not go together.
        NotTrainedError: If a part of the chain is not trained.
        BrokenPluginError: If a plugin saved something that may not be in a bundle.
        OutputError: If ``bundle`` is there already or cannot be written.
    """
    folder = RunFolder.existing(run)
    if bundle.exists():
        raise OutputError(f"{bundle}: is there already. Delete it, or choose another name.")
    with folder.locked():
        plan = make_plan(load_experiment(str(folder.experiment)), registry)
        parts = tuple(_trained(folder, plan, registry))
        require_in_step(folder, parts)
        with _created(bundle) as create:
            files = {name: _added(create, name, path) for name, path in _files(folder, parts)}
            manifest = Manifest(
                format=FORMAT,
                version=VERSION,
                cmda=version("cmda"),
                experiment=portable_experiment(plan, {part.entry for part in parts if part.kind == "grader"}),
                parts=parts,
                files=files,
            )
            content = manifest.encoded()
            with create(MANIFEST, len(content)) as stream:
                stream.write(content)
    return Exported(bundle, parts, manifest.total, hashlib.sha256(content).hexdigest())


def _trained(folder: RunFolder, plan: Plan, registry: Registry) -> Iterator[Part]:
    for part in chain_parts(plan, registry):
        try:
            folder.model(part.kind, part.entry)
        except NotTrainedError:
            if part.kind in CHAIN:
                raise
            continue  # a cohort without grades trains no grader
        yield part


def _files(folder: RunFolder, parts: tuple[Part, ...]) -> Iterator[tuple[str, Path]]:
    for part in parts:
        root = folder.model(part.kind, part.entry)
        for path in sorted(root.rglob("*")):
            name = f"{part.folder}/{path.relative_to(root).as_posix()}"
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise BrokenPluginError(f"{path}: is a link or a device. A bundle holds files only.")
            if path.is_file():
                yield _checked(name, part), path


def _checked(name: str, part: Part) -> str:
    try:
        return data_name(name)
    except ValueError as error:
        raise BrokenPluginError(
            f"{part.kind} {part.plugin!r}: saved a file that cannot be exported: {error}."
        ) from None


def _added(create: Create, name: str, path: Path) -> StoredFile:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as source, create(name, path.stat().st_size) as target:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            target.write(chunk)
    return StoredFile(size=size, sha256=digest.hexdigest())


@contextmanager
def _created(bundle: Path) -> Iterator[Create]:
    if bundle.name.lower().endswith(ARCHIVE_ENDINGS):
        with replacing(bundle) as temporary, ZipFile(temporary, "w", ZIP_STORED) as archive:
            yield lambda name, size: _member(archive, name, size)
    else:
        with replacing_folder(bundle) as temporary:
            yield lambda name, _size: _file(temporary, name)


def _member(archive: ZipFile, name: str, size: int) -> IO[bytes]:
    info = ZipInfo(name, _EPOCH)
    info.external_attr = _MODE
    info.file_size = size
    return archive.open(info, "w")


def _file(folder: Path, name: str) -> IO[bytes]:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("xb")
