from __future__ import annotations

from pathlib import Path

from cmda_core.run import Run
from cmda_core.schema import Runtime


def test_a_phase_has_its_own_files_and_shares_the_rest(tmp_path: Path) -> None:
    run = Run(tmp_path, Runtime(device="cpu", seed=7))
    phase = run.sub("pretraining")
    assert phase.folder == tmp_path / "pretraining"
    assert phase.checkpoint.parent == phase.folder
    assert phase.folder.is_dir()
    assert (phase.seed, phase.progress) == (7, run.progress)
    assert phase.fabric is run.fabric
    assert phase.sub("fold").fabric is run.fabric
