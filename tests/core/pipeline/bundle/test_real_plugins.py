"""The method's own plugins survive the way through a bundle to the last bit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import SimpleITK as sitk

from cmda_core.datasets.phantom import write_phantom
from cmda_core.pipeline import load_experiment, run_experiment
from cmda_core.pipeline.bundle import export_bundle
from cmda_core.pipeline.inference import grade_files, segment_files, translate_files
from cmda_core.progress import Silent
from cmda_core.registry import Registry

TINY = [
    "preprocessor.spacing_mm=[2.0,2.0,3.0]",
    "preprocessor.shape=[48,48,16]",
    "preprocessor.registration.iterations=5",
    "translator.epochs=1",
    "translator.channels=4",
    "translator.residual_blocks=1",
    "translator.perceptual=off",
    "translator.vgg_weights=/home/someone/vgg19.pth",
    "translator.discriminator_layers=2",
    "translator.discriminator_channels=4",
    "translator.discriminator_crop=32",
    "segmenter.epochs=1",
    "segmenter.iterations_per_epoch=1",
    "segmenter.validation_iterations=1",
    "segmenter.base_features=4",
    "segmenter.max_features=8",
    "segmenter.patch_size=[8,16,16]",
    "grader.window=16",
    "grader.slices=8",
    "grader.channels=4",
    "grader.pretrain_epochs=1",
    "grader.epochs=1",
    "baselines.source_only=false",
    "runtime.device=cpu",
    "runtime.jobs=1",
    "runtime.threads=1",
]


@pytest.fixture
def _one_itk_thread() -> Iterator[None]:
    """The sums of ITK's metrics depend on which of its threads is done first."""
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    yield
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


@pytest.mark.slow
@pytest.mark.usefixtures("_one_itk_thread")
def test_results_of_a_bundle_equal_those_of_its_run(tmp_path: Path) -> None:
    data, run, registry = tmp_path / "data", tmp_path / "run", Registry.installed()
    write_phantom(data, source=4, target=2, test=1, seed=3)
    experiment = load_experiment("demo", overrides=[*TINY, f"data.root={data}"])
    run_experiment(experiment, run, registry=registry, progress=Silent(), until="train-grader")
    bundle = export_bundle(run, tmp_path / "bundle", registry=registry).path
    assert [part.name for part in sorted((bundle / "grader").iterdir())] == ["msf-koos-net", "volumetrics"]
    assert (bundle / "preprocessor" / "atlas.nii.gz").is_file()

    scans = data / "crossmoda2022_validation" / "validation"
    for model in (run, bundle):
        out, common = tmp_path / f"of {model.name}", {"registry": registry, "progress": Silent()}
        cpu = {"device": "cpu"}
        segment_files(model, scans, out, runtime=cpu, **common)  # type: ignore[arg-type]
        translate_files(model, scans, out, to="ceT1", runtime=cpu, **common)  # type: ignore[arg-type]
        grade_files(model, scans, out / "grades.csv", runtime=cpu, **common)  # type: ignore[arg-type]
    found = sorted((tmp_path / "of bundle").iterdir())
    assert len(found) == 3
    for path in found:
        assert path.read_bytes() == (tmp_path / "of run" / path.name).read_bytes(), path.name

    texts = {path: path.read_text() for path in bundle.rglob("*.json")}
    assert [path for path, text in texts.items() if str(tmp_path) in text or "/home/someone" in text] == []
