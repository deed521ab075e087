"""Writes phantoms as a BIDS folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from cmda_core.datasets.bids import DERIVATIVES, PARTICIPANTS
from cmda_core.datasets.phantom.layouts.crossmoda import infos
from cmda_core.datasets.phantom.plan import Plan, Scanned
from cmda_core.files import write_text
from cmda_core.volumes import write_volume

REFERENCE = Path("reference")


class BidsWriter:
    """``sub-001/anat/sub-001_ce-gd_T1w.nii.gz``, label maps in ``derivatives/manual``."""

    def case(self, plan: Plan) -> str:
        """Name of the case."""
        return case_name(plan)

    def write_scan(self, out: Path, scanned: Scanned) -> None:
        """Write scan, labels and parcellation."""
        plan = scanned.plan
        stem = case_name(plan).rpartition("_")[0]
        write_volume(out / subject(plan) / "anat" / f"{case_name(plan)}.nii.gz", scanned.scan, step=1.0)
        if plan.split != "source":
            write_volume(out / REFERENCE / f"{case_name(plan)}_Label.nii.gz", scanned.labels)
            return
        maps = out / DERIVATIVES / "manual" / subject(plan) / "anat"
        write_volume(maps / f"{stem}_desc-structures_dseg.nii.gz", scanned.labels)
        write_volume(maps / f"{stem}_atlas-gif_dseg.nii.gz", scanned.structures)

    def write_tables(self, out: Path, plans: Sequence[Plan]) -> None:
        """Write the description, the participants, and the grades that are held out."""
        description = {"Name": "cmda phantom", "BIDSVersion": "1.9.0", "DatasetType": "raw"}
        write_text(out / "dataset_description.json", json.dumps(description, indent=2) + "\n")
        rows = ["participant_id\tsplit\tkoos\tcentre"]
        for plan in plans:
            known = plan.split == "source" and not plan.operated
            rows.append(f"{subject(plan)}\t{plan.split}\t{plan.grade if known else 'n/a'}\t{plan.centre}")
        write_text(out / PARTICIPANTS, "\n".join(rows) + "\n")
        held_out = [plan for plan in plans if plan.split != "source"]
        write_text(out / REFERENCE / "infos_reference.csv", infos(held_out, case_name))


def subject(plan: Plan) -> str:
    """Name of the subject."""
    return f"sub-{plan.number:03}"


def case_name(plan: Plan) -> str:
    """Name of the scan without ending."""
    return f"{subject(plan)}_{'ce-gd_T1w' if plan.split == 'source' else 'T2w'}"
