"""Keeps a fitted preprocessor in a folder: the reduced atlas as NIfTI, the rest as JSON."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from cmda_core.errors import DataError
from cmda_core.files import write_text
from cmda_core.schema import PluginConfig, Task
from cmda_core.volumes import Grid, read_volume, write_volume
from cmda_crossmoda.config import CrossmodaConfig
from cmda_crossmoda.intensity import IntensityScale
from cmda_crossmoda.preprocessor import CrossmodaPreprocessor
from cmda_crossmoda.registration import Registration
from cmda_crossmoda.state import Fitted
from cmda_crossmoda.trust import Agreement

ATLAS, RECORD = "atlas.nii.gz", "preprocessor.json"


class Record(PluginConfig):
    """All of a fitted preprocessor but the atlas."""

    config: CrossmodaConfig
    task: Task
    atlas: str
    scales: dict[str, IntensityScale]
    grid: Grid
    registrations: dict[str, Registration]
    agreements: dict[str, Agreement]


def save_preprocessor(folder: Path, config: CrossmodaConfig, task: Task, fitted: Fitted) -> None:
    """Write a fitted preprocessor.

    Raises:
        OutputError: If a file cannot be written.
    """
    record = Record(
        config=config,
        task=task,
        atlas=fitted.atlas.case,
        scales=dict(fitted.scales),
        grid=fitted.grid,
        registrations=dict(fitted.registrations),
        agreements=dict(fitted.agreements),
    )
    write_volume(folder / ATLAS, fitted.atlas)
    write_text(folder / RECORD, record.model_dump_json(indent=2) + "\n")


def load_preprocessor(folder: Path) -> CrossmodaPreprocessor:
    """Read what ``save_preprocessor`` wrote.

    Raises:
        DataError: If a file is missing or damaged.
    """
    path = folder / RECORD
    try:
        record = Record.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    except ValidationError as error:
        raise DataError(f"{path}: is not a preprocessor that cmda saved ({error}).") from error
    atlas = read_volume(folder / ATLAS, record.task.target, record.atlas)
    fitted = Fitted(atlas, record.scales, record.grid, record.registrations, record.agreements)
    return CrossmodaPreprocessor(record.config, record.task, fitted)
