"""A small run folder with everything that a report can show."""

import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cmda_core.evaluation.evaluate import evaluate_entries
from cmda_core.evaluation.references import References
from cmda_core.files import write_text
from cmda_core.pipeline.experiments import dump_experiment
from cmda_core.schema import Case, Cohort, Experiment, Pose
from cmda_core.volumes import LabelVolume, Volume, write_volume
from cmda_core.volumes.nifti import INTENSITY_STEP

NATIVE = np.diag([-1.6, -1.6, 3.0, 1.0])
CROP = np.diag([-2.0, -2.0, 3.0, 1.0])
ENTRIES = {"msf-net": 0, "source-only": 2}


class FakeRun:
    """Builds a run folder part by part; ``cases`` are the names of its test cases."""

    def __init__(self, root, cases=("crossmoda2021_ldn_211", "crossmoda2021_ldn_212")):
        self.root = root
        self.run = root / "run"
        self.data = root / "data"
        self.reference = root / "reference"
        self.cases = cases
        self.run.mkdir(parents=True)
        self.experiment = Experiment.model_validate(
            {
                "name": "phantom demo",
                "data": {"root": str(self.data), "reference": str(self.reference)},
                "baselines": {"source_only": True},
            }
        )
        write_text(self.run / "experiment.yaml", dump_experiment(self.experiment))

    def scans(self):
        for number, case in enumerate(self.cases):
            write_volume(self.data / "validation" / f"{case}_hrT2.nii.gz", head(number, "hrT2", NATIVE))
            write_volume(self.reference / f"{case}_Label.nii.gz", labels(0, NATIVE))
        source, target = "crossmoda2021_ldn_1", "crossmoda2021_ldn_106"
        write_volume(self.data / "training_source" / f"{source}_ceT1.nii.gz", head(7, "ceT1", NATIVE))
        write_volume(self.data / "training_source" / f"{source}_Label.nii.gz", labels(0, NATIVE))
        write_volume(self.data / "training_target" / f"{target}_hrT2.nii.gz", head(8, "hrT2", NATIVE))
        rows = [f'"{case}","target","ldn",{2 + number % 3}' for number, case in enumerate(self.cases)]
        text = "\n".join(['"crossmoda_name","group","center","koos"', *rows])
        write_text(self.reference / "infos_target_validation.csv", text)

    def segmented(self):
        for entry, shift in ENTRIES.items():
            for number, case in enumerate(self.cases):
                path = self.run / "segmented" / entry / f"{case}_Label.nii.gz"
                write_volume(path, labels(shift + number % 2, NATIVE))

    def graded(self):
        for name in ("msf-koos-net", "volumetrics"):
            rows = [f"{case},{2 + number % 2},0.1,0.5,0.3,0.1" for number, case in enumerate(self.cases)]
            text = "\n".join(["case,class,p1,p2,p3,p4", *rows])
            write_text(self.run / "graded" / name / "predictions.csv", text)

    def evaluated(self):
        evaluate_entries(
            {entry: self.run / "segmented" / entry for entry in ENTRIES},
            {path.name: path / "predictions.csv" for path in sorted((self.run / "graded").iterdir())},
            References.find(self.reference),
            self.experiment.task,
        ).write(self.run / "evaluation")

    def translated(self):
        self._cohorts("source", "ceT1", "hrT2", with_labels=True)
        self._cohorts("target", "hrT2", "ceT1", with_labels=False)
        pose = Pose(native={"shape": (64, 64, 12), "affine": NATIVE}, to_native=np.eye(4))
        self._cohorts("test", "hrT2", "ceT1", with_labels=False, cases=self.cases, pose=pose)

    def trained(self):
        rng = np.random.default_rng(0)
        for stage in ("translator", "segmenter/msf-net", "grader/msf-koos-net"):
            rows = ["step,key,value"]
            for step in range(400):
                for key in ("cycle", "perceptual", "discriminator/hrT2"):
                    rows.append(f"{step},{key},{np.exp(-step / 120) + 0.1 * rng.random():.6f}")
            write_text(self.run / stage / "training.csv", "\n".join(rows) + "\n")

    def journalled(self):
        events = [
            ("prepare", 41.2, 900.5),
            ("train-translator", 302.0, 2101.0),
            ("segment:msf-net", 21.0, 800.0),
        ]
        lines = []
        for minute, (stage, seconds, peak) in enumerate(events):
            time = f"2024-05-17T10:{minute:02d}:00+00:00"
            lines.append({"time": time, "stage": stage, "event": "started"})
            lines.append(
                {"time": time, "stage": stage, "event": "finished", "seconds": seconds, "peak_mb": peak}
            )
        text = "".join(json.dumps(line) + "\n" for line in lines)
        write_text(self.run / "journal.jsonl", text + '{"time": "2024-05-')
        write_text(
            self.run / "environment.json", json.dumps({"packages": {"torch": "2.9"}, "python": "3.12"})
        )

    def everything(self):
        for part in (self.scans, self.segmented, self.graded, self.evaluated, self.translated, self.trained):
            part()
        self.journalled()
        return self

    def _cohorts(self, name, modality, other, *, with_labels, cases=None, pose=None):
        real, fake, back = [], [], []
        for number, case in enumerate(cases or [f"crossmoda2021_ldn_{name}{number}" for number in range(2)]):
            files = {"real": self.run / f"prepared/unaffined/{case}_{modality}.nii"}
            files["fake"] = self.run / f"translated/{case}_{other}.nii"
            files["back"] = self.run / f"translated/cycle/{case}_{modality}.nii"
            files["labels"] = self.run / f"prepared/unaffined/{case}_labels.nii"
            write_volume(files["real"], prepared(number, modality), step=INTENSITY_STEP)
            write_volume(files["fake"], prepared(number, other), step=INTENSITY_STEP)
            write_volume(files["back"], prepared(number, modality), step=INTENSITY_STEP)
            write_volume(files["labels"], labels(0, CROP))
            facts = {"id": case, "subject": case, "labels": files["labels"] if with_labels else None}
            facts["pose"] = pose
            real.append(Case(**facts, modality=modality, image=files["real"]))
            fake.append(Case(**facts, modality=other, image=files["fake"], translated_from=modality))
            back.append(Case(**facts, modality=modality, image=files["back"], translated_from=other))
        Cohort(name=name, cases=tuple(real)).save(self.run / f"prepared/unaffined/{name}.json")
        Cohort(name=name, cases=tuple(fake)).save(self.run / f"translated/{name}.json")
        Cohort(name=name, cases=tuple(back)).save(self.run / f"translated/cycle/{name}.json")


def head(seed, modality, affine, shape=(64, 64, 12)):
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij"))
    skull = np.linalg.norm(grid / np.array([0.8, 0.92, 1.6])[:, None, None, None], axis=0) < 1
    texture = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2.0)
    image = skull * (400 + 1500 * texture)
    tumour = labels(0, affine, shape).voxels == 1
    image[tumour] = 900 if modality == "ceT1" else 500
    return Volume(image.astype(np.float32), affine, modality, "case")


def prepared(seed, modality):
    volume = head(seed, modality, CROP)
    return volume.with_voxels(np.clip(volume.voxels / 500 - 1, -1, 1))


def labels(shift, affine, shape=(64, 64, 12)):
    grid = np.stack(np.meshgrid(*[np.arange(n, dtype=float) for n in shape], indexing="ij"))

    def ball(centre, radii):
        offset = (grid - np.array(centre)[:, None, None, None]) / np.array(radii)[:, None, None, None]
        return np.linalg.norm(offset, axis=0) < 1

    voxels = np.zeros(shape, np.uint8)
    voxels[ball((20 + shift, 34, 6), (6, 5, 3))] = 1
    voxels[ball((14, 28 + shift, 7), (2.5, 2.5, 1.5)) | ball((50, 28 + shift, 7), (2.5, 2.5, 1.5))] = 2
    return LabelVolume(voxels, affine, "case")


@pytest.fixture(scope="session")
def build_run():
    return FakeRun


@pytest.fixture
def fake_run(tmp_path):
    return FakeRun(tmp_path)
