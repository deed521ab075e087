"""Writes phantoms as plain files with a CSV manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cmda_core.datasets.manifest import MANIFEST, Row, write_manifest
from cmda_core.datasets.phantom.plan import Plan, Scanned
from cmda_core.volumes import write_volume


class ManifestWriter:
    """Scans, label maps and parcellations in a folder each; the manifest holds the rest.

    Labels of target and test cases are in the manifest too: its reader keeps them from the training,
    and the evaluation takes the manifest as its reference.
    """

    def case(self, plan: Plan) -> str:
        """Name of the case."""
        return f"phantom_{plan.number:03}"

    def write_scan(self, out: Path, scanned: Scanned) -> None:
        """Write scan, labels and parcellation."""
        row = _row(out, scanned.plan)
        write_volume(row.image, scanned.scan, step=1.0)
        if row.labels is not None:
            write_volume(row.labels, scanned.labels)
        if row.parcellation is not None:
            write_volume(row.parcellation, scanned.structures)

    def write_tables(self, out: Path, plans: Sequence[Plan]) -> None:
        """Write the manifest."""
        write_manifest(out / MANIFEST, [_row(out, plan) for plan in plans])


def _row(out: Path, plan: Plan) -> Row:
    case = ManifestWriter().case(plan)
    return Row(
        case=case,
        subject=case,
        split=plan.split,
        modality=plan.modality,
        image=out / "images" / f"{case}_{plan.modality}.nii.gz",
        labels=out / "labels" / f"{case}.nii.gz",
        parcellation=out / "regions" / f"{case}.nii.gz" if plan.split == "source" else None,
        grade=None if plan.operated else plan.grade,
        centre=plan.centre,
    )
