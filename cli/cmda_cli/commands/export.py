"""``cmda export``: a trained chain for use elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cmda_cli import options
from cmda_cli.output import print_json, print_lines
from cmda_cli.session import session


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    bundle: Annotated[
        Path, typer.Argument(help="A name ending in .cmda or .zip for one file; any other for a folder.")
    ],
    as_json: options.JsonOption = False,
    verbose: options.VerboseOption = False,
    debug: options.DebugOption = False,
) -> None:
    """Write the trained models of a run as a bundle, which translates, segments and grades anywhere."""
    with session(verbose=verbose, debug=debug):
        from cmda_core.pipeline.bundle import export_bundle
        from cmda_core.registry import Registry

        written = export_bundle(run, bundle, registry=Registry.installed())
    if as_json:
        print_json(
            {
                "bundle": str(written.path),
                "bytes": written.size,
                "sha256": written.sha256,
                "parts": [part.model_dump(mode="json") for part in written.parts],
            }
        )
        return
    print_lines(f"{part.kind}: {part.plugin}, version {part.version}" for part in written.parts)
    print_lines([f"bundle: {written.path}, {written.size / 2**20:.1f} MiB", f"sha256: {written.sha256}"])
