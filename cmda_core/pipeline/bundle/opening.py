"""Opens a bundle: everything is verified and unpacked before anything of it is used."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from cmda_core.errors import CmdaError, DataError, NotTrainedError, OutputError
from cmda_core.pipeline.bundle.containers import Container, opened_container
from cmda_core.pipeline.bundle.manifest import LARGEST_MANIFEST, Manifest, StoredFile, parse_manifest
from cmda_core.pipeline.bundle.names import MANIFEST
from cmda_core.pipeline.bundle.parts import require_agreement, require_plugins
from cmda_core.pipeline.plan import Plan, make_plan
from cmda_core.registry import Kind, Registry
from cmda_core.schema import Experiment, parse_settings

_CHUNK = 2**20


class BundleModels:
    """The models of a bundle that was unpacked.

    Args:
        bundle: The bundle, for messages.
        root: The folder that it was unpacked into.
    """

    def __init__(self, bundle: Path, root: Path) -> None:
        self._bundle = bundle
        self._root = root

    def model(self, kind: Kind, entry: str | None = None) -> Path:
        """Folder of a fitted plugin; see `cmda_core.pipeline.chain.Models`.

        Raises:
            NotTrainedError: If the bundle has none.
        """
        path = self._root / kind / entry if entry else self._root / kind
        if not path.is_dir():
            raise NotTrainedError(
                f"{self._bundle}: the bundle has no {kind}. Train one in its run and export it again."
            )
        return path


def is_bundle(path: Path) -> bool:
    """Whether a path is to be read as a bundle: a file, or a folder with ``bundle.json`` in it."""
    return path.is_file() or (path / MANIFEST).is_file()


@contextmanager
def opened_bundle(path: Path, registry: Registry) -> Iterator[tuple[Plan, BundleModels]]:
    """The plan and the models of a bundle, for as long as the block runs.

    The models are unpacked into a temporary folder, a bundle that is a folder too: what was verified
    cannot change afterwards.

    Raises:
        DataError: If the bundle is damaged, unsafe, of an unknown version, or made for plugins that
            are not installed.
        OutputError: If there is no room to unpack it.
    """
    with _temporary_folder() as root:
        with opened_container(path) as container:
            manifest = read_manifest(container, path)
            require_plugins(manifest, registry, path)
            _unpack(container, manifest, root, path)
        experiment = parse_settings(Experiment, manifest.experiment, f"{path}: {MANIFEST}, experiment")
        plan = make_plan(experiment, registry, origin=f"{path}: {MANIFEST}")
        require_agreement(manifest, plan, registry, path)
        try:
            yield plan, BundleModels(path, root)
        except CmdaError as error:
            if str(root) not in str(error):
                raise
            # Nobody knows the temporary folder, and it will be gone.
            raise type(error)(str(error).replace(str(root), str(path))) from error


def read_manifest(container: Container, path: Path) -> Manifest:
    """The manifest of a bundle.

    Raises:
        DataError: If it is missing or cannot be used.
    """
    if MANIFEST not in container.names():
        raise DataError(f"{path}: is not a bundle (it has no {MANIFEST}).")
    with container.open(MANIFEST) as stream:
        content = stream.read(LARGEST_MANIFEST + 1)
    if len(content) > LARGEST_MANIFEST:
        raise DataError(f"{path}: {MANIFEST} is larger than {LARGEST_MANIFEST} bytes.")
    return parse_manifest(content, str(path))


def _unpack(container: Container, manifest: Manifest, root: Path, path: Path) -> None:
    present = container.names() - {MANIFEST}
    if missing := sorted(manifest.files.keys() - present):
        raise DataError(f"{path}: {missing[0]!r} is missing. Copy the bundle again.")
    if unlisted := sorted(present - manifest.files.keys()):
        raise DataError(f"{path}: {unlisted[0]!r} is not listed in {MANIFEST}. Remove it.")
    _require_room(root, manifest.total)
    for part in manifest.parts:
        (root / part.folder).mkdir(parents=True)
    for name, stored in manifest.files.items():
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with container.open(name) as source, _written(target) as stream:
            _copy_verified(source, stream, stored, f"{path}: {name!r}")


def _copy_verified(source: IO[bytes], target: IO[bytes], stored: StoredFile, where: str) -> None:
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK):
        size += len(chunk)
        if size > stored.size:
            break
        digest.update(chunk)
        target.write(chunk)
    if size != stored.size:
        raise DataError(f"{where} is not of the {stored.size} bytes that {MANIFEST} lists. Copy it again.")
    if digest.hexdigest() != stored.sha256:
        raise DataError(f"{where} has another checksum than {MANIFEST} lists. Copy the bundle again.")


@contextmanager
def _written(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("xb") as stream:
            yield stream
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror}). Set TMPDIR to a folder with more room."
        ) from error


def _require_room(root: Path, size: int) -> None:
    free = shutil.disk_usage(root).free
    if size > free:
        raise OutputError(
            f"{root}: {size / 2**20:.0f} MiB are needed to unpack the bundle, and {free / 2**20:.0f} MiB are "
            "free. Set TMPDIR to a folder with more room."
        )


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="cmda-bundle-")
    except OSError as error:
        raise OutputError(
            f"{tempfile.gettempdir()}: cannot be written to ({error.strerror}). Set TMPDIR to a folder "
            "that can."
        ) from error
    with folder as name:
        yield Path(name)
