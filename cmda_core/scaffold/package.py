"""From the kind and the name of a plugin to its package."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from cmda_core.errors import ConfigError, OutputError
from cmda_core.files import replacing_folder, write_text
from cmda_core.hookspecs import API_VERSION
from cmda_core.registry import Kind

_SUFFIX = ".j2"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*([-_ ][A-Za-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Names:
    """The spellings of one name.

    Attributes:
        plugin: What a user types, ``my-method``.
        distribution: What is installed, ``cmda-my-method``.
        package: What is imported, ``cmda_my_method``.
        module: Name of the entry point, ``my_method``.
        cls: Beginning of class names, ``MyMethod``.
    """

    plugin: str
    distribution: str
    package: str
    module: str
    cls: str

    @classmethod
    def of(cls, name: str) -> Names:
        """Spell a name.

        Raises:
            ConfigError: If it is not made of words.
        """
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"{name!r} cannot be the name of a plugin: expected words of letters and digits joined by "
                "hyphens, such as my-method."
            )
        words = re.split("[-_ ]", name.lower())
        plugin, module = "-".join(words), "_".join(words)
        capitals = "".join(word.capitalize() for word in words)
        return cls(plugin, f"cmda-{plugin}", f"cmda_{module}", module, capitals)


def write_package(kind: Kind, name: str, out: Path) -> Path:
    """Write the package of a new plugin.

    Args:
        kind: Of the plugin.
        name: Such as ``my-method`` or ``my_method``.
        out: Folder in which the package's folder is made.

    Returns:
        The folder, ``out/cmda-my-method``.

    Raises:
        ConfigError: If the name cannot be used, or a package of that name is installed.
        OutputError: If the folder is there already, or cannot be written.
    """
    names = Names.of(name)
    if importlib.util.find_spec(names.package) is not None:
        raise ConfigError(
            f"a package {names.package!r} is installed already. Choose another name than {name!r}."
        )
    folder = out / names.distribution
    if folder.exists():
        raise OutputError(f"{folder}: is there already. Choose another name or --out.")
    with replacing_folder(folder) as temporary:
        for path, text in _rendered(kind, names):
            write_text(temporary / path, text)
    return folder


def _rendered(kind: Kind, names: Names) -> Iterator[tuple[str, str]]:
    """Every file of the package with its text; those of the kind beside those that all have."""
    environment = Environment(  # noqa: S701  # Python and TOML, no HTML
        loader=PackageLoader("cmda_core.scaffold"), undefined=StrictUndefined, keep_trailing_newline=True
    )
    templates = environment.list_templates(extensions=[_SUFFIX.removeprefix(".")])
    for part in ("common", kind):
        for template in (path for path in templates if path.startswith(f"{part}/")):
            text = environment.get_template(template).render(
                kind=kind,
                names=names,
                api_version=API_VERSION,
                title=names.plugin.replace("-", " ").capitalize(),
            )
            path = template.removeprefix(f"{part}/").removesuffix(_SUFFIX)
            yield re.sub("^package/", f"{names.package}/", path), text
