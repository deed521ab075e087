"""Whether the models of a run were made from each other, and by the plugins that are installed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cmda_core.errors import RunError
from cmda_core.pipeline.bundle.manifest import Part
from cmda_core.pipeline.folder import RunFolder, read_mark

_FOLDERS = {
    "prepare": "prepared",
    "train-translator": "translator",
    "translate": "translated",
    "augment": "augmented",
    "pseudo-label": "pseudo-labels",
    "train-segmenter": "segmenter",
    "segment": "segmented",
    "train-grader": "grader",
}
_STAGES = {
    "preprocessor": "prepare",
    "translator": "train-translator",
    "segmenter": "train-segmenter",
    "grader": "train-grader",
}


def require_in_step(folder: RunFolder, parts: Iterable[Part]) -> None:
    """Refuse a run that was changed and then interrupted: some of its models are of before.

    Stages whose folders were deleted to save space are passed over.

    Raises:
        RunError: Naming the stage that is to be finished.
    """
    for part in parts:
        stage = _STAGES[part.kind]
        key = f"{stage}:{part.entry}" if part.entry else stage
        mark = read_mark(_folder(folder, key))
        if not mark.get("finished"):
            raise RunError(f"{folder.root}: stage {key!r} was interrupted. Finish it with 'cmda run' first.")
        made_by = mark.get("version")
        if made_by not in (None, part.version):
            raise RunError(
                f"{folder.root}: stage {key!r} ran with version {made_by} of the {part.kind} "
                f"{part.plugin!r}, and version {part.version} is installed. Run it again with 'cmda run'."
            )
        _require_inputs(folder, key)


def _require_inputs(folder: RunFolder, key: str) -> None:
    for earlier, fingerprint in read_mark(_folder(folder, key)).get("inputs", {}).items():
        found = read_mark(_folder(folder, earlier)).get("fingerprint")
        if found not in (None, fingerprint):
            raise RunError(
                f"{folder.root}: stage {key!r} is of before {earlier!r} was run again. "
                "Finish the run with 'cmda run' first."
            )
        _require_inputs(folder, earlier)


def _folder(folder: RunFolder, key: str) -> Path:
    stage, _, entry = key.partition(":")
    return folder.stage(_FOLDERS[stage], entry or None)
