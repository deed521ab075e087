"""Writes phantoms in the folders of crossMoDA, year by year."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cmda_core.datasets.phantom.meatus import three_structures
from cmda_core.datasets.phantom.plan import Plan, Scanned
from cmda_core.datasets.split import Split
from cmda_core.files import write_text
from cmda_core.volumes import LabelVolume, write_volume

OPERATED = "post-operative-london"

SOURCE_FOLDER = Path("crossmoda2022_training/training_source")
TARGET_FOLDER = Path("crossmoda2022_training/training_target")
TEST_FOLDER = Path("crossmoda2022_validation/validation")
REFERENCE_FOLDER = Path("crossmoda2022_reference")


def _two_structures(scanned: Scanned) -> LabelVolume:
    return scanned.labels


@dataclass(frozen=True)
class CrossmodaWriter:
    """One year's folders.

    Attributes:
        folders: Folder of the scans of each split.
        reference: Folder of what is held out.
        name: Name of a case.
        suffix: Ending of scans of the target modality.
        labels: Makes the label map.
        parcellation: Folder of the parcellations, in a year that has them.
        table: Table of the source cases with their grades, in a year that has them.
    """

    folders: Mapping[Split, Path]
    reference: Path
    name: Callable[[Plan], str]
    suffix: str = "hrT2"
    labels: Callable[[Scanned], LabelVolume] = _two_structures
    parcellation: Path | None = None
    table: Path | None = None

    def case(self, plan: Plan) -> str:
        """Name of the case."""
        return self.name(plan)

    def write_scan(self, out: Path, scanned: Scanned) -> None:
        """Write scan, labels and parcellation."""
        plan, case = scanned.plan, self.name(scanned.plan)
        folder = out / self.folders[plan.split]
        ending = plan.modality if plan.split == "source" else self.suffix
        write_volume(folder / f"{case}_{ending}.nii.gz", scanned.scan, step=1.0)
        truth = folder if plan.split == "source" else out / self.reference
        write_volume(truth / f"{case}_Label.nii.gz", self.labels(scanned))
        if plan.split == "source" and self.parcellation is not None:
            write_volume(out / self.parcellation / f"{case}_GIFoutput.nii.gz", scanned.structures)

    def write_tables(self, out: Path, plans: Sequence[Plan]) -> None:
        """Write the tables of grades, in a year that has them."""
        if self.table is None:
            return
        write_text(out / self.table, infos([plan for plan in plans if plan.split == "source"], self.name))
        held_out = [plan for plan in plans if plan.split != "source"]
        write_text(out / self.reference / "infos_reference.csv", infos(held_out, self.name))


def infos(plans: Sequence[Plan], name: Callable[[Plan], str]) -> str:
    """The organisers' table: strings quoted, grades bare."""
    rows = ['"crossmoda_name","group","center","koos"']
    for plan in plans:
        koos = f'"{OPERATED}"' if plan.operated else str(plan.grade)
        rows.append(f'"{name(plan)}","{plan.split}","{plan.centre}",{koos}')
    return "\n".join(rows) + "\n"


CROSSMODA: Mapping[str, CrossmodaWriter] = {
    "crossmoda2021": CrossmodaWriter(
        {
            "source": Path("crossmoda_training/source_training"),
            "target": Path("crossmoda_training/target_training"),
            "test": Path("target_validation"),
        },
        Path("crossmoda2021_reference"),
        name=lambda plan: f"crossmoda_{plan.number}",
    ),
    "crossmoda2022": CrossmodaWriter(
        {"source": SOURCE_FOLDER, "target": TARGET_FOLDER, "test": TEST_FOLDER},
        REFERENCE_FOLDER,
        name=lambda plan: plan.case,
        parcellation=Path("training_source_GIF/training_source_GIF"),
        table=Path("crossmoda2022_training/infos_source_training.csv"),
    ),
    "crossmoda2023": CrossmodaWriter(
        {
            "source": Path("crossmoda23_training/TrainingSource"),
            "target": Path("crossmoda23_training/TrainingTarget"),
            "test": Path("crossmoda23_validation"),
        },
        Path("crossmoda2023_reference"),
        name=lambda plan: f"crossmoda2023_{plan.centre}_{plan.number}",
        suffix="T2",
        labels=three_structures,
    ),
}
