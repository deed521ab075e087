"""The same phantom subjects in every layout: what is read, prepared and scored is the same."""

from __future__ import annotations

from pathlib import Path

import cmda_toy
import nibabel
import numpy as np
import pytest

from cmda_core.datasets import check_dataset, read_dataset
from cmda_core.datasets.dicom import convert_dicom
from cmda_core.datasets.phantom.dataset import plan_cohort, scan_subject
from cmda_core.datasets.phantom.layouts import LayoutName, writer
from cmda_core.datasets.phantom.presets import Preset
from cmda_core.pipeline import run_experiment
from cmda_core.progress import Silent
from cmda_core.registry import Registry
from cmda_core.schema import Case, Cohort, DataConfig, Experiment, Task

LAYOUTS: dict[LayoutName, str] = {
    "crossmoda2021": "crossmoda2021_reference",
    "crossmoda2022": "crossmoda2022_reference",
    "crossmoda2023": "crossmoda2023_reference",
    "csv": "manifest.csv",
    "bids": "reference",
    "dicom": "manifest.csv",
}
"""Where the held-out labels of each lie."""

Finished = tuple[Case, dict[str, object]]
"""A prepared case of a run, and its scores."""

GRADED = ("crossmoda2022", "csv", "bids")


@pytest.fixture(scope="module")
def written(coarse: Preset, tmp_path_factory: pytest.TempPathFactory) -> dict[LayoutName, Path]:
    plans = plan_cohort(coarse, source=3, target=1, test=1)
    scans = [scan_subject(coarse, plan, 1) for plan in plans]
    roots = {layout: tmp_path_factory.mktemp(layout) for layout in LAYOUTS}
    for layout, root in roots.items():
        for scanned in scans:
            writer(layout).write_scan(root, scanned)
        writer(layout).write_tables(root, plans)
    converted = tmp_path_factory.mktemp("converted")
    convert_dicom(roots["dicom"], converted, Task())
    return {**roots, "dicom": converted}


def canonical(path: Path) -> np.ndarray:
    return np.asarray(nibabel.as_closest_canonical(nibabel.load(path)).dataobj)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_reads_the_same_scans(written: dict[LayoutName, Path], layout: LayoutName) -> None:
    expected = read_dataset(DataConfig(root=written["crossmoda2022"]))
    found = read_dataset(DataConfig(root=written[layout]))

    assert found.layout == ("csv" if layout == "dicom" else layout)
    assert found.unpaired == ()
    for theirs, ours in zip(expected.cohorts, found.cohorts, strict=True):
        assert [case.modality for case in ours] == [case.modality for case in theirs]
        for first, second in zip(theirs, ours, strict=True):
            np.testing.assert_array_equal(canonical(second.image), canonical(first.image))
            assert second.grade == (first.grade if layout in GRADED else None)
            assert (second.parcellation is None) == (first.parcellation is None or layout not in GRADED)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_paired_scans_are_named_after_the_cases_that_are_read(
    written: dict[LayoutName, Path], coarse: Preset, layout: LayoutName
) -> None:
    plans = plan_cohort(coarse, source=3, target=1, test=1)
    read = read_dataset(DataConfig(root=written[layout])).source

    assert {case.id for case in read} == {writer(layout).case(plan) for plan in plans[:3]}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_passes_its_check(written: dict[LayoutName, Path], layout: LayoutName) -> None:
    result = check_dataset(read_dataset(DataConfig(root=written[layout])), Task())

    assert {finding.kind for finding in result.findings} <= {"grades"}
    assert result.scans["source"][0].volumes_mm3["cochlea"] > 60


def experiment(root: Path, reference: Path, **changes: object) -> Experiment:
    plugins = dict.fromkeys(("preprocessor", "translator", "segmenter", "grader"), "toy")
    settings = {"data": {"root": root, "reference": reference}, "runtime": {"device": "cpu", "threads": 1}}
    return Experiment.model_validate(settings | plugins | changes)


def run(chosen: Experiment, folder: Path) -> Finished:
    registry = Registry()
    registry.add(cmda_toy, "toy")
    summary = run_experiment(chosen, folder, registry=registry, progress=Silent())
    assert summary.summary is not None
    return Cohort.load(folder / "prepared" / "unaffined" / "source.json").cases[0], summary.summary


@pytest.fixture(scope="module")
def expected(written: dict[LayoutName, Path], tmp_path_factory: pytest.TempPathFactory) -> Finished:
    root = written["crossmoda2022"]
    return run(experiment(root, root / LAYOUTS["crossmoda2022"]), tmp_path_factory.mktemp("run"))


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "crossmoda2022"])
def test_every_layout_runs_to_the_same_labels_and_scores(
    written: dict[LayoutName, Path],
    expected: Finished,
    layout: LayoutName,
    tmp_path: Path,
) -> None:
    case, scores = expected

    prepared, ours = run(experiment(written[layout], written[layout] / LAYOUTS[layout]), tmp_path)

    assert prepared.labels is not None
    assert case.labels is not None
    np.testing.assert_array_equal(canonical(prepared.labels), canonical(case.labels))
    assert flat(ours["segmentation"]) == pytest.approx(flat(scores["segmentation"]), nan_ok=True)
    assert bool(ours["grading"]) == (layout in GRADED)


def flat(content: object, prefix: str = "") -> dict[str, float]:
    """Nested scores as one mapping; a score that is not there is NaN."""
    if not isinstance(content, dict):
        return {prefix: float("nan") if content is None else float(content)}  # type: ignore[arg-type]
    return {
        key: value for name, part in content.items() for key, value in flat(part, f"{prefix}/{name}").items()
    }


def test_a_task_that_names_the_parts_keeps_them(written: dict[LayoutName, Path], tmp_path: Path) -> None:
    root = written["crossmoda2023"]
    parts = {"vs-extrameatal": 1, "vs-intrameatal": 2, "cochlea": 3}
    task = {"structures": parts, "tumour": "vs-extrameatal"}

    prepared, _ = run(experiment(root, root / LAYOUTS["crossmoda2023"], task=task), tmp_path)

    assert prepared.labels is not None
    assert np.unique(canonical(prepared.labels)).tolist() == [0, 1, 2, 3]
    assert not (tmp_path / "prepared" / "labels").exists()


def test_an_intracanalicular_tumour_has_no_extrameatal_label(coarse: Preset, tmp_path: Path) -> None:
    (plan,) = plan_cohort(coarse, source=4, target=0, test=0)[3:]
    assert plan.grade == 1
    writer("crossmoda2023").write_scan(tmp_path, scan_subject(coarse, plan, 1))

    (path,) = tmp_path.rglob("*_Label.nii.gz")
    assert np.unique(canonical(path)).tolist() == [0, 2, 3]
