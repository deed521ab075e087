"""Disks that are full or can only be read: a clear message, and nothing is lost."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cmda_toy
import pytest
import torch

from cmda_core.errors import BrokenPluginError, OutputError
from cmda_core.files import replacing, replacing_folder, write_text
from cmda_core.pipeline.inference import segment_files
from cmda_core.progress import Silent
from cmda_core.reporting import write_report
from cmda_core.run import Run
from cmda_core.training.state import save_state

SIZES_KB = (16, 40, 80, 120, 200, 300, 400)
"""The whole toy run takes about half a megabyte: each disk is full at another moment."""


def test_a_full_disk_stops_the_run_and_more_space_lets_it_go_on(
    mount: Callable[[str], Path],
    run_toys: Callable[..., Any],
    same_results: Callable[[Path, Path], None],
    tmp_path: Path,
) -> None:
    run_toys(tmp_path / "whole")
    run = mount("size=4k") / "run"
    stages = set()
    for size in SIZES_KB:
        mount(f"size={size}k")
        with pytest.raises(OutputError, match=r"No space left on device.*Free some space"):
            run_toys(run)
        stages |= {path.name for path in run.iterdir() if path.is_dir()} if run.exists() else set()
    assert len(stages) > 2, "the disk was full in one stage only"
    mount("size=50m")
    run_toys(run)
    same_results(tmp_path / "whole", run)


@pytest.mark.parametrize("size", [4, 8, 64, 256])
def test_safetensors_says_in_our_words_that_the_disk_is_full(mount: Callable[[str], Path], size: int) -> None:
    path = mount(f"size={size}k") / "state.safetensors"
    path.write_bytes(b"as it was")
    with pytest.raises(OutputError, match=r"state\.safetensors: cannot be written \(No space left"):
        save_state(path, {"weights": torch.zeros(100_000)})
    assert path.read_bytes() == b"as it was"
    assert list(path.parent.iterdir()) == [path]


def test_a_log_on_a_full_disk(mount: Callable[[str], Path]) -> None:
    run = Run(mount("size=4k"))
    (run.folder / "filler").write_bytes(b"x" * 4096)
    with pytest.raises(OutputError, match=r"training\.csv: cannot be written \(No space left"):
        run.log(1, {"loss": 1.0})


def test_a_library_of_a_plugin_that_meets_the_full_disk(
    run_toys: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "cache"))

    monkeypatch.setattr(cmda_toy.ToyTranslator, "translate", fail)
    with pytest.raises(OutputError, match=r"cache: cannot be written \(No space left"):
        run_toys(tmp_path / "run")


def test_an_error_of_a_plugin_that_is_not_the_disks_is_no_disk_error(
    run_toys: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "no such file", "atlas")

    monkeypatch.setattr(cmda_toy.ToyTranslator, "translate", fail)
    with pytest.raises(BrokenPluginError, match=r"translate\(\) raised FileNotFoundError: .*atlas"):
        run_toys(tmp_path / "run")


def test_a_disk_that_can_only_be_read(
    mount: Callable[[str], Path], run_toys: Callable[..., Any], dataset: Path, tmp_path: Path
) -> None:
    run = mount("size=50m") / "run"
    run_toys(run)
    mount("size=50m,ro")
    for work in (run_toys, write_report):
        with pytest.raises(OutputError, match=r"Read-only file system.*choose another folder"):
            work(run)
    with pytest.raises(OutputError, match=r"new.*Read-only file system"):
        run_toys(run.with_name("new"))
    scans = dataset / "crossmoda2022_validation" / "validation"
    done = segment_files(run, scans, tmp_path / "out", registry=cmda_toy.registry(), progress=Silent()).done
    assert [path.name for path in done] == ["crossmoda2021_ldn_211_Label.nii.gz"]


def test_what_a_killed_process_was_writing_is_removed_and_never_read(
    run_toys: Callable[..., Any], same_results: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    run, whole = tmp_path / "run", tmp_path / "whole"
    run_toys(whole)
    run_toys(run, until="segment")
    leftovers = [
        run / ".77.experiment.yaml",
        run / "segmented" / "toy" / ".77.crossmoda2021_ldn_999_Label.nii.gz",
        run / "translator" / ".77.checkpoint.safetensors",
    ]
    for path in leftovers:
        path.write_bytes(b"half of it")
    run_toys(run)
    assert not any(path.exists() for path in leftovers)
    same_results(run, whole)


def test_a_folder_left_by_a_process_of_the_same_number_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / f".{os.getpid()}.model").mkdir()
    (tmp_path / f".{os.getpid()}.model" / "half").touch()
    with replacing_folder(tmp_path / "model") as temporary:
        (temporary / "whole").touch()
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["whole"]


@pytest.mark.parametrize("letters", ["n" * 251, "ü" * 125, "🧠" * 62], ids=["one", "two", "four"])
def test_the_longest_names_that_a_disk_takes(tmp_path: Path, letters: str) -> None:
    name = f"{letters}.txt"
    write_text(tmp_path / name, "whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with pytest.raises(OutputError, match="shorten the names"):
        write_text(tmp_path / ("long" + name), "too long")


def test_what_was_there_stays_if_the_block_fails(tmp_path: Path) -> None:
    write_text(tmp_path / "a.json", json.dumps({}))

    def fail() -> None:
        with replacing(tmp_path / "a.json") as temporary:
            temporary.write_text("{")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["{}"]
