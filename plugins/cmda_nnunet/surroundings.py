"""What nnU-Net expects around it: three paths in the environment, and a place for what it prints."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from cmda_core.files import rotate

RAW = "raw"
PREPROCESSED = "preprocessed"
RESULTS = "results"
LOG = "nnunet.log"


@contextmanager
def nnunet_surroundings(folder: Path, threads: int) -> Iterator[None]:
    """Let nnU-Net work below a folder; afterwards the environment and stdout are as they were.

    nnU-Net must be imported within the block too: its import reads the environment, and runs
    ``hostname`` in a shell where it finds no number of processes there.

    Args:
        folder: Gets ``raw``, ``preprocessed`` and ``results``, and ``nnunet.log`` with all that is
            printed (a long one of earlier calls becomes ``nnunet.1.log``).
        threads: Torch threads; nnU-Net would take eight.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {f"nnUNet_{name}": str(folder / name) for name in (RAW, PREPROCESSED, RESULTS)}
    variables = environment({**_in_process(threads), **paths})
    rotate(folder / LOG)
    with (folder / LOG).open("a", encoding="utf-8") as log, redirect_stdout(log), variables:
        yield


@contextmanager
def quiet_nnunet(threads: int) -> Iterator[None]:
    """Let nnU-Net work without any folder, for inference, and drop what it prints.

    Args:
        threads: Torch threads; nnU-Net would take eight.
    """
    variables = environment(_in_process(threads))
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), variables:
        yield


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for as long as the block runs."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _in_process(threads: int) -> dict[str, str]:
    return {"nnUNet_n_proc_DA": "0", "nnUNet_def_n_proc": str(threads)}
