"""The table of contents of a bundle."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from cmda_core.errors import DataError
from cmda_core.pipeline.bundle.names import MANIFEST, data_name, safe_name
from cmda_core.registry import Kind
from cmda_core.schema import PluginConfig

FORMAT = "cmda-bundle"
VERSION = 1
LARGEST_MANIFEST = 16 * 2**20
"""Bytes; a chain has tens of files, and each takes about 150 bytes of the manifest."""

CHAIN: tuple[Kind, ...] = ("preprocessor", "translator", "segmenter")
"""What every bundle has, once each."""


class StoredFile(PluginConfig):
    """What a file must be."""

    size: int = Field(ge=0)
    """Bytes."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """SHA-256 of its content, in lower-case hexadecimal digits."""


class Part(PluginConfig):
    """A fitted plugin."""

    kind: Kind
    """What it does."""

    entry: Annotated[str, AfterValidator(safe_name)] | None = None
    """Tells apart segmenters and graders of one chain."""

    plugin: str
    """Name that ``cmda plugins list`` prints."""

    version: str
    """Of the plugin."""

    module: str = ""
    """Module that offered the plugin."""

    @property
    def folder(self) -> str:
        """Where its files lie in the bundle."""
        return f"{self.kind}/{self.entry}" if self.entry else self.kind


class Manifest(PluginConfig):
    """The content of ``bundle.json``."""

    format: Literal["cmda-bundle"]
    """Tells a bundle from other JSON."""

    version: Literal[1]
    """Of the format of bundles."""

    cmda: str
    """Version of cmda that wrote the bundle."""

    experiment: dict[str, Any]
    """The resolved experiment, without the data and without paths of the machine."""

    parts: tuple[Part, ...]
    """The chain."""

    files: dict[Annotated[str, AfterValidator(data_name)], StoredFile]
    """Every file of the bundle but this one, by its path in the bundle."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        folders = [part.folder for part in self.parts]
        kinds = [part.kind for part in self.parts]
        if any(kinds.count(kind) != 1 for kind in CHAIN):
            raise ValueError(f"parts must have one {', one '.join(CHAIN)}")
        if len(set(_folded(folders))) < len(folders) or len(set(_folded(self.files))) < len(self.files):
            raise ValueError("a part or a file is there twice")
        for name in self.files:
            if not name.startswith(tuple(f"{folder}/" for folder in folders)):
                raise ValueError(f"{name!r} belongs to no part")
        return self

    @property
    def total(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files.values())

    def encoded(self) -> bytes:
        """As it is written."""
        return f"{self.model_dump_json(indent=2)}\n".encode()


class _Header(BaseModel):
    model_config = ConfigDict(extra="ignore")

    format: str
    version: int


def parse_manifest(content: bytes, where: str) -> Manifest:
    """Read a manifest.

    Args:
        content: Of ``bundle.json``.
        where: The bundle, to begin the message with.

    Raises:
        DataError: If it is no manifest, of an unknown version, or names a path outside of the bundle.
    """
    try:
        header = _Header.model_validate_json(content)
        if header.format != FORMAT:
            raise DataError(f"{where}: {MANIFEST} is of format {header.format!r}; expected {FORMAT!r}.")
        if header.version != VERSION:
            raise DataError(
                f"{where}: is a bundle of version {header.version}, and this cmda reads version {VERSION}. "
                "Use the release of cmda that wrote it, or export the run again."
            )
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in problem["loc"] if part != "[key]")
        message = problem["msg"].removeprefix("Value error, ")
        field = f"{place}: " if place else ""
        raise DataError(f"{where}: {MANIFEST} cannot be used: {field}{message}.") from None


def _folded(names: list[str] | dict[str, StoredFile]) -> list[str]:
    """Names as systems see them that do not tell capitals from small letters."""
    return [name.casefold() for name in names]
